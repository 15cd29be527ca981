//! The command line, as words: Go's flag syntax made into GNU's, and errors made into one line.
//!
//! vcsim is written in Go, whose flags look like `-vm 10`, `-vm=10`, `--vm 10`, `-esx` or `-tls=false`. A flag that
//! takes a value takes the next word whatever it looks like; a boolean flag never does; the first word that is no flag
//! ends the flags. Written as `--vm=10` and `--esx`, clap understands the same.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use vimsim_simulator::Fidelity;

use crate::options::Options;

/// Which program we are, by the name we are called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persona {
    Vimsim,
    /// vcsim ignores words that it does not know after the flags.
    Vcsim,
}

impl Persona {
    pub(crate) fn of(program: Option<OsString>) -> Self {
        let program = program.unwrap_or_default();
        match Path::new(&program).file_stem() {
            Some(name) if name == "vcsim" => Self::Vcsim,
            _ => Self::Vimsim,
        }
    }
}

impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vimsim => "vimsim",
            Self::Vcsim => "vcsim",
        })
    }
}

/// What to say instead of starting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What was asked for, such as the help.
    Asked(String),
    /// What is wrong with the command line, in one line.
    Wrong(String),
}

impl Answer {
    /// Says it, and returns how to exit.
    pub(crate) fn print(self, persona: Persona) -> ExitCode {
        match self {
            Self::Asked(text) => {
                use std::io::Write;
                // Whoever closed the pipe has read enough.
                let _ = std::io::stdout().write_all(text.as_bytes());
                ExitCode::SUCCESS
            }
            Self::Wrong(line) => {
                eprintln!("{persona}: {line} (try `{persona} --help`)");
                ExitCode::from(2)
            }
        }
    }
}

/// Reads the command line, without the program's name.
pub(crate) fn parse(persona: Persona, arguments: impl IntoIterator<Item = OsString>) -> Result<Options, Answer> {
    let words = arguments
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|word| Answer::Wrong(format!("argument {word:?} is not UTF-8")))?;
    let mut command = Options::command();
    command.build();
    let words = normalise(persona, words, &Flags(&command));
    let mut options = command
        .no_binary_name(true)
        .try_get_matches_from(words)
        .and_then(|matches| Options::from_arg_matches(&matches))
        .map_err(|error| answer(&error))?;
    options.check().map_err(Answer::Wrong)?;
    // Scripts that use vcsim put files where its datastores' URLs lead to.
    options.model.datastore_directories |= persona == Persona::Vcsim;
    if persona == Persona::Vcsim {
        options.model.fidelity = Fidelity::Vcsim;
    }
    Ok(options)
}

/// Makes clap's paragraphs one line.
fn answer(error: &clap::Error) -> Answer {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Answer::Asked(text);
    }
    let message = ["\n\nUsage:", "\n\nFor more information"]
        .iter()
        .fold(text.as_str(), |text, footer| text.split(footer).next().unwrap_or(text))
        .trim_start_matches("error: ")
        .replace("\n\n  tip:", ";");
    Answer::Wrong(message.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The flags that exist, and which of them take a value.
struct Flags<'a>(&'a clap::Command);

impl Flags<'_> {
    /// Whether the flag of this name takes a value; nothing if there is no such flag.
    fn takes_value(&self, name: &str) -> Option<bool> {
        let is_named = |flag: &&clap::Arg| {
            flag.get_long() == Some(name) || flag.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
        };
        let flag = self.0.get_arguments().find(is_named)?;
        Some(flag.get_num_args().is_some_and(|count| count.min_values() > 0))
    }
}

/// Rewrites Go's flag syntax as GNU's.
fn normalise(persona: Persona, words: Vec<String>, flags: &Flags<'_>) -> Vec<String> {
    let mut words = words.into_iter();
    let mut normal = Vec::new();
    while let Some(word) = words.next() {
        let flag = match word.strip_prefix('-') {
            Some(flag) if !flag.is_empty() && flag != "-" => flag.strip_prefix('-').unwrap_or(flag),
            // The end of the flags.
            rest => {
                let mut rest = if rest == Some("-") { words.next() } else { Some(word) };
                if persona == Persona::Vcsim {
                    rest = rest.filter(|word| matches!(word.as_str(), "uuidgen" | "version"));
                    normal.extend(rest);
                } else {
                    normal.extend(rest.into_iter().chain(words));
                }
                break;
            }
        };
        // `-h` is the one name that differs.
        let flag = if flag == "h" { "help" } else { flag };
        let value = match flags.takes_value(flag) {
            Some(true) => words.next(),
            _ => None,
        };
        normal.push(match value {
            Some(value) => format!("--{flag}={value}"),
            None => format!("--{flag}"),
        });
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_normal(persona: Persona, words: &str, expected: &str) {
        let mut command = Options::command();
        command.build();
        let words = words.split(' ').map(str::to_owned).collect();
        assert_eq!(normalise(persona, words, &Flags(&command)).join(" "), expected);
    }

    #[test]
    fn go_and_gnu_forms_mean_the_same() {
        for words in ["-vm 10", "-vm=10", "--vm 10", "--vm=10"] {
            check_normal(Persona::Vimsim, words, "--vm=10");
        }
        for words in ["-l :0", "--l :0", "-l=:0"] {
            check_normal(Persona::Vimsim, words, "--l=:0");
        }
        check_normal(Persona::Vimsim, "-h", "--help");
        check_normal(Persona::Vimsim, "-help", "--help");
    }

    #[test]
    fn a_flag_takes_the_next_word_whatever_it_looks_like() {
        check_normal(Persona::Vimsim, "-vm -1 -esx", "--vm=-1 --esx");
        check_normal(Persona::Vimsim, "-E - -vm 1", "--E=- --vm=1");
        check_normal(Persona::Vimsim, "-tunnel -1", "--tunnel=-1");
        check_normal(Persona::Vimsim, "-password --vm", "--password=--vm");
        check_normal(Persona::Vimsim, "-vm", "--vm");
    }

    #[test]
    fn a_boolean_flag_never_takes_the_next_word() {
        check_normal(Persona::Vimsim, "-esx -tls=false", "--esx --tls=false");
        check_normal(Persona::Vimsim, "-esx version", "--esx version");
        check_normal(Persona::Vimsim, "-nope 3 -vm 1", "--nope 3 -vm 1");
    }

    #[test]
    fn the_first_other_word_ends_the_flags() {
        check_normal(Persona::Vimsim, "-esx uuidgen -vm 3", "--esx uuidgen -vm 3");
        check_normal(Persona::Vimsim, "-esx -- version", "--esx version");
        check_normal(Persona::Vimsim, "-", "-");
    }

    #[test]
    fn vcsim_ignores_what_it_does_not_know() {
        check_normal(Persona::Vcsim, "-esx true -vm 3", "--esx");
        check_normal(Persona::Vcsim, "-vm 3 -- other", "--vm=3");
        check_normal(Persona::Vcsim, "uuidgen DC0_H0", "uuidgen");
    }

    #[test]
    fn knows_its_name() {
        let check = |program: &str, expected| assert_eq!(Persona::of(Some(program.into())), expected);
        check("vcsim", Persona::Vcsim);
        check("./bin/vcsim.exe", Persona::Vcsim);
        check("/usr/bin/vimsim", Persona::Vimsim);
        check("", Persona::Vimsim);
    }
}
