//! Cause of a failure: what lies behind one of Pingora's errors, for people who read logs.
//! Whose fault it is, is said by whoever logs it.

use std::{fmt, io};

use pingora::{BError, Error};

/// Shows an error by the words of whoever noticed it first: `Connection refused (os error 111)`.
#[derive(Debug)]
pub struct Cause<'a>(pub &'a Error);

impl Cause<'_> {
    /// Whether it is that the process, or its system, has no descriptor left for another connection.
    pub fn is_shortage(&self) -> bool {
        match self.0.cause.as_ref().map(|cause| (cause.downcast_ref::<BError>(), cause.downcast_ref::<io::Error>())) {
            Some((Some(e), _)) => Cause(e).is_shortage(),
            Some((None, Some(e))) => is_shortage(e),
            Some((None, None)) | None => false,
        }
    }
}

/// Whether that is why a connection was not made. It says nothing of the server.
pub fn is_shortage(e: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(e.raw_os_error(), Some(ENFILE | EMFILE))
}

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

    #[test]
    fn a_shortage_of_our_own_is_told_from_what_servers_do() {
        let with = |e: io::Error| Err::<(), _>(e).or_err(ErrorType::ConnectError, "connecting").unwrap_err();
        for (e, expected) in [
            (io::Error::from_raw_os_error(24), true),
            (io::Error::from_raw_os_error(23), true),
            // No route of that family: `localhost` where there is no IPv6.
            (io::Error::from_raw_os_error(99), false),
            (io::Error::from_raw_os_error(111), false),
        ] {
            let outer = Error::because(ErrorType::ConnectError, "outer", with(e));
            assert_eq!(Cause(&outer).is_shortage(), expected, "{outer}");
        }
        assert!(!Cause(&Error::new(ErrorType::ConnectError)).is_shortage());
    }
}
