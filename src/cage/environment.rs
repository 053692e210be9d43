//! A command's environment: the operator's variables, handed from stage to stage, and set when a stage becomes it.
//! Names none of them to a stage: what a loader or a library reads would be read before the walls are up.

use std::env;
use std::io;
use std::path::Path;
use std::process::Command;

/// Names and values, besides the sandbox's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment(Vec<(String, String)>);

/// The one variable that a stage has; it holds all of them. A command line would show them to everybody.
const CARRIER: &str = "TOOLGATE_ENV";
/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

impl Environment {
    /// As the configuration lists them.
    pub fn new(variables: &[(String, String)]) -> Self {
        Self(variables.to_vec())
    }

    /// What the stage before has handed on.
    pub fn carried() -> io::Result<Self> {
        match env::var(CARRIER) {
            Ok(text) => Ok(Self(serde_json::from_str(&text)?)),
            Err(env::VarError::NotPresent) => Ok(Self::default()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// The variables of the next stage: all of what it is started with.
    pub fn carry(&self) -> io::Result<[(&'static str, String); 1]> {
        Ok([(CARRIER, serde_json::to_string(&self.0)?)])
    }

    /// Gives a command its environment, and nothing of this process's.
    pub fn set(self, command: &mut Command, scratch: &Path) {
        command.env_clear().envs(self.0);
        command.env("PATH", PATH).env("HOME", scratch).env("TMPDIR", scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_told_of_no_variable_by_its_name() {
        let environment = Environment::new(&[("LD_PRELOAD".to_owned(), "/a=\n.so".to_owned())]);
        let [(name, value)] = environment.carry().unwrap();
        assert_eq!(name, CARRIER);
        assert_eq!(Environment(serde_json::from_str(&value).unwrap()), environment);
    }

    #[test]
    fn the_sandbox_s_own_variables_are_its_own() {
        let environment = Environment::new(&[("HOME".to_owned(), "/root".to_owned())]);
        let mut command = Command::new("true");
        environment.set(&mut command, Path::new("/scratch"));
        let home = command.get_envs().find(|(name, _)| *name == "HOME").unwrap();
        assert_eq!(home.1.unwrap(), "/scratch");
    }
}
