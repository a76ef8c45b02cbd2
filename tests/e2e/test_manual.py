#!/usr/bin/env python3
"""Man pages and what shells complete say what the tables of options say, as the program's help does."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

ROFF = {"\\-": "-", "\\(aq": "'", "\\(ga": "`", "\\(ha": "^", "\\(ti": "~", "\\e": "\\", "\\&": "", "\\fB": "", "\\fI": "", "\\fR": ""}
COMPLETE = """. "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_distgat
printf '%s\\n' "${COMPREPLY[@]}\""""


def words(text):
    return " ".join(text.split())


def plain(page):
    """A page's text without what roff is told."""
    lines = [line for line in page.split("\n") if not re.match(r"\.(TP|nf|fi|PP)$", line)]
    return re.sub("|".join(map(re.escape, ROFF)), lambda m: ROFF[m.group()], "\n".join(lines))


class Manual(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        subprocess.run(["cmake", f"-DPROGRAM={program.DISTGAT}", f"-DOUT={cls.folder.name}",
                        f"-DTEMPLATES={program.SOURCE}/src/cli", "-P", f"{program.SOURCE}/cmake/manual.cmake"], check=True)
        help_text = program.distgat("--help")
        cls.verbs = re.findall(r"^  (\w+) ", re.search(r"verbs:\n((?:  .*\n)+)", help_text).group(1), re.M)
        cls.helps = {verb: program.distgat("help", verb) for verb in cls.verbs}
        cls.pages = {}
        for verb in cls.verbs:
            with open(cls.path(os.path.join("man1", f"distgat-{verb}.1"))) as f:
                cls.pages[verb] = f.read()

    @classmethod
    def options(cls, verb):
        return re.findall(r"^  (--[\w-]+)", cls.helps[verb], re.M)

    def test_help_needs_no_mpi(self):
        environment = {**os.environ, "OMPI_MCA_pml": "none"}  # with which Open MPI cannot start
        for arguments in (["help", "train"], ["train", "--help"], ["help", "--man", "train"], ["help", "--table"]):
            done = subprocess.run([program.DISTGAT, *arguments], env=environment, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
        self.assertEqual(program.distgat("help", "train", ranks=2), self.helps["train"])

    def test_a_page_for_each_verb_has_the_text_of_its_help(self):
        names = [name for name in os.listdir(self.path("man1")) if name not in ("distgat-import.1", "distgat-report.1")]
        self.assertEqual(sorted(names), sorted(["distgat.1", *(f"distgat-{v}.1" for v in self.verbs)]))
        for verb in self.verbs:
            page = words(plain(self.pages[verb]))
            self.assertGreater(len(self.options(verb)), 1)
            self.assertEqual(len(set(self.options(verb))), len(self.options(verb)))
            text = re.sub(r"^(usage|example): |^[^ \n].*:$", "", self.helps[verb], flags=re.M)
            for line in filter(None, map(words, text.split("\n"))):
                self.assertIn(line, page, verb)
        with open(self.path(os.path.join("man1", "distgat.1"))) as f:
            page = words(plain(f.read()))
        for line in program.distgat("--help").split("\n"):
            self.assertIn(words(re.sub(r"^usage: |^[a-z ]*:$", "", line)), page)

    def test_pages_of_importer_and_report_have_the_text_of_their_help(self):
        for name, script in (("import", "data/import.py"), ("report", "jobs/report.py")):
            def told(*words):
                done = subprocess.run([os.path.join(program.SOURCE, script), *words, "--help"], capture_output=True, text=True,
                                      env={**os.environ, "COLUMNS": "80"})
                return done.stdout.replace(os.path.basename(script), f"distgat-{name}") if done.returncode == 0 else None
            if told() is None:
                self.skipTest(f"skipped: {script} lacks packages")
            with open(self.path(os.path.join("man1", f"distgat-{name}.1"))) as f:
                page = plain(f.read())
            formats = re.findall(r"^    (\w+)(?:  |$)", told(), re.M) if name == "import" else []
            self.assertEqual(len(formats), 6 if name == "import" else 0)
            for text in [told(), *map(told, formats)]:
                self.assertIn("usage: ", text)
                self.assertIn(text, page)

    def test_pages_are_without_fault_for_man(self):
        if not shutil.which("groff"):
            self.skipTest("skipped: there is no groff")
        for name in os.listdir(self.path("man1")):
            done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", self.path(os.path.join("man1", name))], capture_output=True,
                                  text=True)
            self.assertEqual(done.stderr, "", name)
            shown = re.sub(r"\x1b\[\d*m|.\x08", "", done.stdout)
            self.assertIn("SYNOPSIS", shown)
            self.assertRegex(shown, r"\n +distgat.*\n", name)
            self.assertIn("--help", shown)

    def completed(self, *typed):
        done = subprocess.run(["bash", "-u", "-c", COMPLETE, "bash", self.path("distgat.bash"), "distgat", *typed],
                              check=True, capture_output=True, text=True, cwd=self.folder.name)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_verbs_options_and_values(self):
        self.assertEqual(self.completed(""), [*self.verbs, "help", "--help", "--version"])
        self.assertEqual(self.completed("help", "p"), ["partition", "predict", "plan"])
        for verb in self.verbs:
            self.assertEqual(self.completed(verb, "--"), self.options(verb))
        recipes = re.findall(r"^  ([\w-]+) ", self.helps["train"].split("recipes:")[1], re.M)
        self.assertGreater(len(recipes), 5)
        self.assertEqual(self.completed("train", "g.h5", "--recipe", ""), recipes)
        self.assertEqual(self.completed("train", "--recipe", "=", "tutorial-g"), ["tutorial-gcn", "tutorial-gat"])
        self.assertEqual(self.completed("train", "--early-stop", "="), ["none", "gat", "gcn"])
        self.assertEqual(self.completed("generate", "--preset", "p"), ["pubmed", "products", "products-hard"])
        self.assertEqual(self.completed("train", "--epochs", ""), [])
        for typed in (("train", "dist"), ("train", "--save", "dist"), ("partition", "--out", "dist"), ("train", "--resume", "dist")):
            self.assertEqual(self.completed(*typed), ["distgat.bash"])

    def test_values_that_are_completed_are_those_that_are_taken(self):
        for verb, option in (("train", "--model"), ("train", "--recipe"), ("train", "--select"), ("partition", "--method")):
            said = program.run(verb, "g.h5", option, "?").stderr
            values = self.completed(verb, option, "")
            self.assertIn(f"{option} must be {', '.join(values[:-1])} or {values[-1]}, not '?'", said)

    def test_zsh_completes_verbs_options_and_values(self):
        if not shutil.which("zsh"):
            self.skipTest("skipped: there is no zsh")
        script = f"""zmodload zsh/zpty; zpty z zsh -f -i
            type() {{ zpty -w -n z "$1"$'\\C-X'; }}
            zpty -w z 'PS1=; fpath=({self.folder.name} $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000'
            zpty -w z 'zle -C all complete-word all; all() {{ compstate[insert]=; compstate[list]=; _main_complete; \\
              print -rn -- "<$compstate[nmatches]>" }}; bindkey "^X" all; print ready'
            zpty -r z line '*ready*ready*'
            for words in 'distgat ' 'distgat help ' 'distgat train --model ' 'distgat generate --preset ' 'distgat info --'; do
              type "$words"; zpty -r z line '*<[0-9]##>*'; print -r -- "${{${{line##*<}}%%>*}}"
              zpty -w -n z $'\\C-U'
            done; zpty -d z"""
        done = subprocess.run(["zsh", "-o", "extendedglob", "-f", "-c", script], capture_output=True, text=True, timeout=60)
        same = [[*self.verbs, "help"], self.verbs, self.completed("train", "--model", ""), self.completed("generate", "--preset", ""),
                self.options("info")]
        self.assertEqual(done.stdout.split(), [str(len(words)) for words in same], done.stderr)


if __name__ == "__main__":
    program.main()
