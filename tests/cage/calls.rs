//! Calls of the system that are refused, by their numbers, which are those of one machine.

use std::os::unix::net::{UnixDatagram, UnixListener};

use toolgate::config::Sandbox;

use crate::harness::{BOTH, Folder, cage, python};

/// What the system says to calls, one a line; each is the arguments of `syscall`.
fn said(folder: &Folder, sandbox: &Sandbox, calls: &str) -> String {
    let text = format!(
        "import ctypes, os\nc = ctypes.CDLL(None, use_errno=True)\n\
         for a in [{calls}]: print('done' if c.syscall(*a) != -1 else os.strerror(ctypes.get_errno()))"
    );
    python(&folder.cage(sandbox), &text)
}

const REFUSED: &str = "Operation not permitted\n";

#[test]
fn a_call_has_no_second_number() {
    let folder = Folder::new();
    for sandbox in BOTH {
        // Of getpid, which is let be, and of ptrace.
        assert_eq!(said(&folder, &sandbox, "(0x40000027,), (0x40000209,)"), REFUSED.repeat(2), "{sandbox:?}");
    }
}

#[test]
fn nobody_hides_from_whoever_counts() {
    let folder = Folder::new();
    for sandbox in BOTH {
        assert_eq!(said(&folder, &sandbox, "(157, 4, 0, 0, 0, 0)"), REFUSED, "{sandbox:?}");
    }
}

/// Such memory would be nobody's.
#[test]
fn there_are_no_files_without_a_name() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let calls = "(319, b'a', 0), (447, 0)";
        assert_eq!(said(&folder, &sandbox, calls), "Function not implemented\n".repeat(2), "{sandbox:?}");
    }
}

/// They change files that are only open to be read. With no file at all the system would say that.
#[test]
fn without_namespaces_attributes_stay_as_they_are() {
    let folder = Folder::new();
    let orders = "(16, -1, 0x40086602, 0), (16, -1, 0x401c5820, 0), (16, -1, 0x80086601, 0)";
    let expected = format!("{}Bad file descriptor\n", REFUSED.repeat(2));
    assert_eq!(said(&folder, &Sandbox::Landlock, orders), expected);
    // setxattrat, removexattrat, file_setattr: of its own files a user may change them.
    if rustix::process::getuid().is_root() {
        let calls = "(463, -1, 0, 0, 0, 0, 0), (466, -1, 0, 0, 0), (469, -1, 0, 0, 0, 0)";
        assert_eq!(said(&folder, &Sandbox::Landlock, calls), REFUSED.repeat(3));
    }
}

#[test]
fn a_pair_of_sockets_sends_to_nobody_else() {
    let folder = Folder::new();
    let (datagrams, stream) = (folder.outside().join("datagrams"), folder.outside().join("stream"));
    let outside = UnixDatagram::bind(&datagrams).unwrap();
    let listener = UnixListener::bind(&stream).unwrap();
    outside.set_nonblocking(true).unwrap();
    listener.set_nonblocking(true).unwrap();
    let text = format!(
        "import socket as s\n\
         def refused(what, run):\n try: run(); print(what)\n except OSError: pass\n\
         for flags in (0, s.SOCK_CLOEXEC | s.SOCK_NONBLOCK):\n \
         for kind in (s.SOCK_DGRAM, s.SOCK_RAW):\n  \
         refused('send', lambda: s.socketpair(s.AF_UNIX, kind | flags)[0].sendto(b'x', '{0}'))\n  \
         refused('connect', lambda: s.socketpair(s.AF_UNIX, kind | flags)[0].connect('{0}'))\n\
         for kind in (s.SOCK_STREAM, s.SOCK_SEQPACKET):\n \
         a, b = s.socketpair(s.AF_UNIX, kind)\n \
         refused('connect', lambda: a.connect('{1}'))\n \
         b.close()\n \
         refused('connect', lambda: a.connect('{1}'))\n\
         a, b = s.socketpair(); a.send(b'pair'); print(b.recv(9).decode())",
        datagrams.display(),
        stream.display()
    );
    for network in [false, true] {
        for sandbox in BOTH {
            let mut tools = folder.tools(&sandbox);
            tools.commands.network = network;
            assert_eq!(python(&cage(&tools), &text), "pair\n", "{sandbox:?}");
            assert!(outside.recv(&mut [0; 9]).is_err() && listener.accept().is_err(), "{sandbox:?}");
        }
    }
}
