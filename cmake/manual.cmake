# Writes the man pages and what shells complete, as the program prints them from its tables of options.
# cmake -DPROGRAM=... -DTEMPLATES=... -DOUT=... -P manual.cmake

# print(variable word...): what "distgat help" prints.
function(print variable)
  execute_process(COMMAND ${PROGRAM} help ${ARGN} OUTPUT_VARIABLE text ERROR_VARIABLE error RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "'${PROGRAM} help ${ARGN}' gave ${code}: ${error}; -DDISTGAT_MANUAL=OFF builds no man pages")
  endif()
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

print(DISTGAT_TABLE --table)
print(page --man)
file(WRITE ${OUT}/man1/distgat.1 "${page}")
string(REGEX MATCHALL "[a-z]+\t-\t-\t" verbs "${DISTGAT_TABLE}") # of options only those of a verb itself
foreach(verb IN LISTS verbs)
  string(REGEX REPLACE "\t.*" "" verb "${verb}")
  print(page --man ${verb})
  file(WRITE ${OUT}/man1/distgat-${verb}.1 "${page}")
endforeach()
configure_file(${TEMPLATES}/distgat.zsh.in ${OUT}/_distgat @ONLY)
configure_file(${TEMPLATES}/distgat.bash.in ${OUT}/distgat.bash @ONLY)
file(TOUCH ${OUT}/distgat.bash)
