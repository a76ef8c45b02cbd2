"""The pages of report.py and tutorial.sh.

graph_page and tutorial_page put a page together; page writes it, canvas has what all pictures share, files reads graphs
and models and asks the program. Each other module makes the pictures of one kind and the words beside them."""
