//! What lies behind one of Pingora's errors, for people who read logs.
//! Whose fault it is, is said by whoever logs it.

use std::fmt;

use pingora::{BError, Error};

/// Shows an error by the words of whoever noticed it first: `Connection refused (os error 111)`.
#[derive(Debug)]
pub struct Cause<'a>(pub &'a Error);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.cause, &self.0.context) {
            (Some(cause), _) => match cause.downcast_ref::<BError>() {
                Some(e) => Cause(e).fmt(f),
                None => cause.fmt(f),
            },
            (None, Some(context)) => f.write_str(context.as_str()),
            (None, None) => f.write_str(self.0.etype.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    use pingora::{ErrorType, OrErr};

    #[test]
    fn the_first_who_noticed_has_the_word() {
        let refused = || Err::<(), _>(io::Error::other("refused"));
        let connecting = || refused().or_err(ErrorType::ConnectError, "connecting to http://h").unwrap_err();
        let sending = Error::because(ErrorType::WriteError, "sending", connecting());
        for (e, expected) in [
            (connecting(), "refused"),
            (sending, "refused"),
            (Error::explain(ErrorType::ConnectionClosed, "it closed"), "it closed"),
            (Error::new(ErrorType::ConnectionClosed), "ConnectionClosed"),
        ] {
            assert_eq!(Cause(&e).to_string(), expected);
        }
    }
}
