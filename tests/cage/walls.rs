//! What a command cannot reach, whatever it does.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::json;
use toolgate::config::{Sandbox, WorkspaceRoot};
use toolgate::tooling::AllowList;

use crate::harness::{BOTH, Folder, block_on, cage, command, printed, python};

#[test]
fn a_command_gets_no_environment_input_or_descriptor_of_the_gateway_s() {
    let folder = Folder::new();
    // As a gateway gets them from whoever starts it.
    let inherited = fs::File::open(folder.outside().join("secret")).unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        let names = printed(&cage, "env | cut -d= -f1 | sort | tr '\\n' ' '; cat; echo end");
        assert_eq!(names, "HOME LANG PATH PWD TMPDIR end\n", "{sandbox:?}");
        let open = "import os\ndef is_open(n):\n try: os.fstat(n); return True\n except OSError: return False\n\
                    print([n for n in range(1024) if is_open(n)])";
        assert_eq!(python(&cage, open), "[0, 1, 2]\n", "{sandbox:?}");
    }
}

#[test]
fn files_outside_are_neither_read_nor_changed() {
    let folder = Folder::new();
    let outside = folder.outside();
    let secret = outside.join("secret");
    symlink(&secret, folder.root().join("link")).unwrap();
    let before = fs::metadata(&secret).unwrap();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        let at = outside.display();
        for line in [
            format!("cat {at}/secret"),
            "cat link".to_owned(),
            "cat ../outside/secret".to_owned(),
            "cat /etc/shadow /etc/hostname /proc/1/environ".to_owned(),
            format!("ls {at}"),
            format!("echo x > {at}/secret"),
            "echo x > link".to_owned(),
            format!("echo x > {at}/new"),
            format!("mkdir {at}/new"),
            format!("ln -s / {at}/new"),
            format!("mv {at}/secret {at}/new"),
            format!("ln {at}/secret hard && cat hard"),
            format!("rm {at}/secret"),
            format!("truncate -s 0 {at}/secret"),
            "echo x > /usr/toolgate; rm /usr/bin/env".to_owned(),
            "echo x > /proc/sys/kernel/core_pattern".to_owned(),
            "echo x > /dev/toolgate".to_owned(),
            "echo x > /toolgate".to_owned(),
            "dd if=/dev/vda of=/dev/null count=1".to_owned(),
        ] {
            let outcome = block_on(command(&cage, &line));
            assert!(outcome.is_error && !outcome.text.contains("TOPSECRET"), "{sandbox:?}: {line}: {}", outcome.text);
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "TOPSECRET", "{sandbox:?}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{sandbox:?}");
        assert_eq!(fs::metadata(&secret).unwrap().ino(), before.ino(), "{sandbox:?}");
    }
}

/// Root may change the mode of anybody's files, by Landlock's leave.
#[test]
fn root_does_not_change_modes_outside() {
    let folder = Folder::new();
    let secret = folder.outside().join("secret");
    let mode = fs::metadata(&secret).unwrap().permissions().mode();
    for sandbox in BOTH {
        let line = format!("chmod 777 {} /usr/bin/env", secret.display());
        // Of anybody else's in Landlock, those that are theirs.
        if sandbox == Sandbox::Namespaces || rustix::process::getuid().is_root() {
            assert!(block_on(command(&folder.cage(&sandbox), &line)).is_error, "{sandbox:?}");
            assert_eq!(fs::metadata(&secret).unwrap().permissions().mode(), mode, "{sandbox:?}");
        }
    }
}

#[test]
fn a_command_writes_where_the_workspace_may_be_written_and_code_only_in_its_own_directory() {
    let folder = Folder::new();
    let (more, least) = (folder.path.join("more"), folder.path.join("least"));
    fs::create_dir_all(&more).unwrap();
    fs::create_dir_all(&least).unwrap();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.workspace.roots = vec![
            WorkspaceRoot { path: more.clone(), write: true },
            WorkspaceRoot { path: least.clone(), write: false },
        ];
        let held = cage(&tools);
        let lines = format!("echo a > f; echo b > {0}/f; cat f {0}/f; rm f", more.display());
        assert_eq!(printed(&held, &lines), "a\nb\n", "{sandbox:?}");
        fs::write(least.join("f"), "c").unwrap();
        let lines = format!("cat {0}/f; echo d > {0}/f", least.display());
        let outcome = block_on(command(&held, &lines));
        assert!(outcome.is_error && outcome.text.contains("STDOUT:\nc"), "{sandbox:?}: {}", outcome.text);
        assert_eq!(fs::read_to_string(least.join("f")).unwrap(), "c", "{sandbox:?}");
        let text = format!(
            "import os, tempfile\nprint(os.listdir('.'), open('{}/f').read().strip())\n\
             tempfile.TemporaryFile().write(b'x')\nopen(os.environ['HOME'] + '/x', 'w')\n\
             try: open('new', 'w')\nexcept OSError: print('refused')",
            more.display()
        );
        assert_eq!(python(&held, &text), "[] b\nrefused\n", "{sandbox:?}");
        tools.workspace.write = false;
        let outcome = block_on(command(&cage(&tools), "touch new"));
        assert!(outcome.is_error, "{sandbox:?}");
        assert_eq!(fs::read_dir(folder.root()).unwrap().count(), 0, "{sandbox:?}");
    }
}

/// The sandbox's own directory for temporary files is then elsewhere.
#[test]
fn the_workspace_may_be_where_temporary_files_are() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.workspace.root = Some("/tmp".into());
        let name = folder.path.file_name().unwrap().to_str().unwrap();
        let text = format!("import os\nprint(os.path.exists('/tmp/{name}'), os.environ['HOME'] == '/tmp')");
        let is_there = if std::env::temp_dir() == std::path::Path::new("/tmp") { "True" } else { "False" };
        assert_eq!(python(&cage(&tools), &text), format!("{is_there} False\n"), "{sandbox:?}");
    }
}

#[test]
fn there_is_no_network_and_no_socket_of_the_system_s() {
    let folder = Folder::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let name = format!("toolgate-cage-{}", std::process::id());
    let hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let path = folder.outside().join("socket");
    let at_path = UnixListener::bind(&path).unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    hidden.set_nonblocking(true).unwrap();
    at_path.set_nonblocking(true).unwrap();
    let text = format!(
        "import socket as s\n\
         def refused(what, run):\n try: run(); print(what)\n except OSError: pass\n\
         refused('tcp', lambda: s.socket().connect(('127.0.0.1', {})))\n\
         refused('tcp 6', lambda: s.socket(s.AF_INET6).bind(('::1', 0)))\n\
         refused('udp', lambda: s.socket(type=s.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {})))\n\
         refused('raw', lambda: s.socket(type=s.SOCK_RAW))\n\
         refused('netlink', lambda: s.socket(s.AF_NETLINK, s.SOCK_RAW, 0))\n\
         refused('packet', lambda: s.socket(s.AF_PACKET, s.SOCK_RAW))\n\
         refused('machine', lambda: s.socket(s.AF_VSOCK, s.SOCK_STREAM))\n\
         refused('abstract', lambda: s.socket(s.AF_UNIX).connect('\\0{name}'))\n\
         refused('path', lambda: s.socket(s.AF_UNIX).connect('{}'))\n\
         a, b = s.socketpair(); a.send(b'pair'); print(b.recv(9).decode())",
        tcp.local_addr().unwrap().port(),
        udp.local_addr().unwrap().port(),
        path.display(),
    );
    for sandbox in BOTH {
        assert_eq!(python(&folder.cage(&sandbox), &text), "pair\n", "{sandbox:?}");
        assert!(tcp.accept().is_err() && hidden.accept().is_err() && at_path.accept().is_err(), "{sandbox:?}");
        assert!(udp.recv(&mut [0; 9]).is_err(), "{sandbox:?}");
    }
    // Where there is to be one, there is.
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.network = true;
        let reached = python(&cage(&tools), &text);
        assert_eq!(reached.lines().next(), Some("tcp"), "{sandbox:?}: {reached}");
        assert!(
            !["raw", "packet", "machine", "abstract", "path"]
                .iter()
                .any(|one| reached.lines().any(|line| line == *one))
        );
        assert!(tcp.accept().is_ok() && hidden.accept().is_err() && at_path.accept().is_err(), "{sandbox:?}");
        assert!(udp.recv(&mut [0; 9]).is_ok(), "{sandbox:?}");
    }
}

#[test]
fn the_gateway_is_neither_signalled_nor_looked_into() {
    let folder = Folder::new();
    let own = std::process::id();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        // So that it is not for want of a path.
        tools.commands.read.extend((sandbox == Sandbox::Landlock).then(|| "/proc".into()));
        let cage = cage(&tools);
        for line in [format!("kill -0 {own}"), "kill -0 $PPID".to_owned(), "kill -9 $PPID".to_owned()] {
            assert!(block_on(command(&cage, &line)).is_error, "{sandbox:?}: {line}");
        }
        for look in ["cat /proc/$PID/environ", "cat /proc/$PID/maps", "readlink /proc/$PID/fd/0", "ls /proc/$PID/root/"]
        {
            // In a namespace the gateway's number may be somebody else's, and the first is who watches.
            let pids = if sandbox == Sandbox::Landlock {
                vec![own.to_string(), "$PPID".to_owned()]
            } else {
                vec!["1".to_owned()]
            };
            for pid in pids {
                let line = look.replace("$PID", &pid);
                assert!(block_on(command(&cage, &line)).is_error, "{sandbox:?}: {line}");
            }
        }
    }
}

/// The system lets anybody do that to processes of the same user, and no signal is sent.
#[test]
fn the_gateway_is_neither_slowed_nor_limited() {
    let folder = Folder::new();
    let own = std::process::id();
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let niceness = rustix::process::getpriority_process(None).unwrap();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        // In a namespace whoever watches has a number, too.
        for pid in [own.to_string(), "$PPID".to_owned()] {
            for line in [
                format!("prlimit --pid {pid} --nofile=100:100"),
                format!("prlimit --pid {pid} --cpu=1:1"),
                format!("renice -n 19 -p {pid}"),
                "renice -n 19 -u $(id -u)".to_owned(),
                format!("ionice -c 3 -p {pid}"),
                "ionice -c 3 -u $(id -u)".to_owned(),
                format!("chrt --idle -p 0 {pid}"),
            ] {
                let outcome = block_on(command(&cage, &line));
                assert!(
                    outcome.is_error && !outcome.text.contains("not found"),
                    "{sandbox:?}: {line}: {}",
                    outcome.text
                );
            }
        }
        assert_eq!(
            printed(&cage, "ulimit -n 100; nice -n 1 ulimit -n 2>/dev/null || ulimit -n"),
            "100\n",
            "{sandbox:?}"
        );
    }
    assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Nofile), files);
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), niceness);
}

#[test]
fn what_programs_do_every_day_works() {
    let folder = Folder::new();
    let lines = "echo out > /dev/stdout; echo err > /dev/stderr; cat <<END\nhere\nEND\n\
                 f=$(mktemp); echo temporary > $f; cat $f; echo a | (read x; echo $x); mkdir -p d/e && rm -r d; \
                 printf '#!/bin/sh\\necho own\\n' > s; sh s; nice -n 1 echo nice; yes | head -1; kill -0 $$ && echo self";
    for sandbox in BOTH {
        let said = printed(&folder.cage(&sandbox), lines);
        let expected = "out\nhere\ntemporary\na\nown\nnice\ny\nself\n\n\nSTDERR:\nerr\n";
        assert_eq!(said, expected, "{sandbox:?}");
        let text = "import subprocess, threading, time\nt = threading.Thread(target=print, args=(1,)); t.start(); t.join()\n\
                    print(subprocess.run(['sh', '-c', 'echo 2'], capture_output=True, text=True).stdout.strip())";
        assert_eq!(python(&folder.cage(&sandbox), text), "1\n2\n", "{sandbox:?}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_that_lead_out_of_sandboxes_are_refused() {
    let folder = Folder::new();
    // unshare, clone and clone3 with a new user namespace, ptrace, mount, bpf, io_uring_setup, keyctl, userfaultfd,
    // setns, perf_event_open, open_by_handle_at, chroot, TIOCSTI.
    let text = "import ctypes, os\n\
        c = ctypes.CDLL(None, use_errno=True)\n\
        def call(*a): return 'done' if c.syscall(*a) != -1 else os.strerror(ctypes.get_errno())\n\
        for a in [(272, 0x10000000), (56, 0x10000000 | 17, 0, 0, 0, 0), (101, 0, 0, 0, 0), (165, 0, 0, 0, 0, 0), \
        (321, 0, 0, 0), (425, 1, 0), (250, 0, 0, 0), (323, 0), (308, 0, 0), (298, 0, 0, 0, 0, 0), (304, 0, 0, 0), \
        (161, b'/'), (16, 0, 0x5412, 0), (435, 0, 0)]: print(call(*a))";
    for sandbox in BOTH {
        let said = python(&folder.cage(&sandbox), text);
        let refused = "Operation not permitted\n".repeat(13);
        assert_eq!(said, format!("{refused}Function not implemented\n"), "{sandbox:?}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn nothing_is_left_in_the_system_s_memory_and_without_namespaces_nothing_outside_is_watched() {
    let folder = Folder::new();
    let text = "import ctypes\nc = ctypes.CDLL(None)\nprint(c.shmget(0, 4096, 0o1600), c.inotify_init1(0) == -1)";
    assert_eq!(python(&folder.cage(&Sandbox::Landlock), text), "-1 True\n");
    assert_eq!(python(&folder.cage(&Sandbox::Namespaces), text), "-1 False\n");
}

/// It needs what is written, so the user may write it, and nobody else is to.
#[test]
fn root_has_no_capability_left() {
    let folder = Folder::new();
    let line = "grep -E '^(Cap(Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status | cut -f2 | tr '\\n' ' '";
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.read.extend((sandbox == Sandbox::Landlock).then(|| "/proc".into()));
        let said = printed(&cage(&tools), line);
        let none = "0000000000000000";
        assert_eq!(said, format!("{none} {none} {none} 1 "), "{sandbox:?}");
    }
}

#[test]
fn a_working_directory_is_beneath_a_root() {
    let folder = Folder::new();
    let root = folder.root();
    fs::create_dir_all(root.join("sub/deeper")).unwrap();
    fs::write(root.join("file"), "").unwrap();
    symlink("sub", root.join("inside")).unwrap();
    // They are no options of any stage.
    fs::create_dir(root.join("-c")).unwrap();
    fs::create_dir(root.join("--probe={}")).unwrap();
    symlink("../outside", root.join("out")).unwrap();
    symlink(folder.outside(), root.join("absolute")).unwrap();
    symlink("/proc/self/cwd", root.join("magic")).unwrap();
    let full = |path: &str| root.join(path).to_str().unwrap().to_owned();
    for sandbox in BOTH {
        let cage = folder.cage(&sandbox);
        let run = |said: &str| {
            let call = json!({"command": "pwd", "working_directory": said}).to_string();
            block_on(cage.run("run_command", &call)).text
        };
        for (said, path) in [
            ("", ""),
            (".", ""),
            ("sub", "sub"),
            ("sub/../sub/deeper", "sub/deeper"),
            ("inside", "sub"),
            ("-c", "-c"),
            ("--probe={}", "--probe={}"),
        ] {
            assert_eq!(run(said), format!("Success\n\nSTDOUT:\n{}\n", full(path).trim_end_matches('/')), "{said}");
        }
        assert_eq!(run(&full("sub")), format!("Success\n\nSTDOUT:\n{}\n", full("sub")), "{sandbox:?}");
        for said in ["..", "sub/../..", "out", "absolute", "magic", "/", "/etc", &full("../outside")] {
            let expected = format!("Permission denied: Access denied: {said} is outside allowed directories");
            assert_eq!(run(said), expected, "{sandbox:?}");
        }
        assert_eq!(run("nowhere"), "Error: Directory does not exist: nowhere", "{sandbox:?}");
        assert_eq!(run("file"), "Error: Path is not a directory: file", "{sandbox:?}");
    }
}

#[test]
fn with_a_list_no_shell_runs() {
    let folder = Folder::new();
    fs::write(folder.root().join("own"), "#!/bin/sh\necho own\n").unwrap();
    fs::set_permissions(folder.root().join("own"), fs::Permissions::from_mode(0o755)).unwrap();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        tools.commands.allow = AllowList::new(["echo", "nowhere", "own", "sleep"]).unwrap();
        let cage = cage(&tools);
        let run = |line| block_on(command(&cage, line)).text;
        assert_eq!(run(r"echo '$HOME' \* 'a;b'"), "Success\n\nSTDOUT:\n$HOME * a;b\n", "{sandbox:?}");
        assert_eq!(run("nowhere a"), "Failed (exit code 127)\n\nSTDERR:\nnowhere: not found\n", "{sandbox:?}");
        // The workspace is not where programs are looked for.
        assert_eq!(run("own"), "Failed (exit code 127)\n\nSTDERR:\nown: not found\n", "{sandbox:?}");
        let refused = "Error: Command not in allowlist. Allowed prefixes: ['echo', 'nowhere', 'own', 'sleep']";
        assert_eq!(run("echo $HOME"), refused, "{sandbox:?}");
        assert_eq!(run("id"), refused, "{sandbox:?}");
        // Code could run any of them.
        let names: Vec<_> = cage.tools().map(|offer| offer.tool.name()).collect();
        assert_eq!(names, ["run_command"], "{sandbox:?}");
    }
}

#[test]
fn what_is_switched_off_is_not_run() {
    let folder = Folder::new();
    let mut tools = folder.tools(&Sandbox::Namespaces);
    tools.commands.enabled = false;
    let cage = cage(&tools);
    assert_eq!(cage.tools().count(), 0);
    assert_eq!(block_on(command(&cage, "echo")).text, "Error: Command execution is disabled");
    let code = cage.run("run_code", r#"{"language": "python", "code": ""}"#);
    assert_eq!(block_on(code).text, "Error: Unknown tool 'run_code'");
    assert_eq!(block_on(cage.run("read_file", "{}")).text, "Error: Unknown tool 'read_file'");
}

/// What a loader reads would run before the walls are up, as whoever the supervisor is.
#[test]
fn no_stage_has_a_command_s_environment() {
    let folder = Folder::new();
    for sandbox in BOTH {
        let mut tools = folder.tools(&sandbox);
        let variables = [("LD_PRELOAD", "/nowhere/foreign.so"), ("MARK", "a=b")];
        tools.commands.env = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let text = block_on(command(&cage(&tools), "echo \"$MARK\" $TOOLGATE_ENV; exit 1")).text;
        assert!(text.contains("STDOUT:\na=b\n"), "{sandbox:?}: {text}");
        // The shell's loader, and nobody else's.
        assert_eq!(text.matches("/nowhere/foreign.so").count(), 1, "{sandbox:?}: {text}");
    }
}
