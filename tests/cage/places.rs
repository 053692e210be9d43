//! What is shown is what was there when the cage was opened, whatever stands at its path by then.

use std::fs;
use std::os::unix::fs::symlink;

use toolgate::config::WorkspaceRoot;

use crate::harness::{BOTH, Folder, block_on, cage, command, printed};

#[test]
fn a_link_that_is_put_in_the_place_of_a_directory_leads_nowhere() {
    let folder = Folder::new();
    let (place, moved) = (folder.path.join("place"), folder.path.join("moved"));
    for sandbox in BOTH {
        for read in [false, true] {
            let shown = place.join("shown");
            fs::create_dir_all(&shown).unwrap();
            fs::write(shown.join("file"), "shown").unwrap();
            let mut tools = folder.tools(&sandbox);
            if read {
                tools.commands.read.push(shown.clone());
            } else {
                tools.workspace.roots = vec![WorkspaceRoot { path: shown.clone(), write: true }];
            }
            let held = cage(&tools);
            let line = format!("cat {}/file", shown.display());
            assert_eq!(printed(&held, &line), "shown", "{sandbox:?}");
            fs::rename(&place, &moved).unwrap();
            symlink(folder.outside(), &place).unwrap();
            fs::create_dir_all(folder.outside().join("shown")).unwrap();
            fs::write(folder.outside().join("shown/file"), "TOPSECRET").unwrap();
            let outcome = block_on(command(&held, &line));
            assert!(outcome.is_error && !outcome.text.contains("TOPSECRET"), "{sandbox:?}: {}", outcome.text);
            fs::remove_file(&place).unwrap();
            fs::remove_dir_all(&moved).unwrap();
        }
    }
}

#[test]
fn nothing_that_is_shown_lies_where_commands_may_write() {
    let folder = Folder::new();
    let inner = folder.root().join("inner");
    fs::create_dir(&inner).unwrap();
    // The words do not say so.
    let link = folder.path.join("link");
    symlink(&inner, &link).unwrap();
    for sandbox in BOTH {
        for path in [&inner, &link] {
            for write in [false, true] {
                let mut tools = folder.tools(&sandbox);
                tools.workspace.roots = vec![WorkspaceRoot { path: path.clone(), write }];
                let error = block_on(cage(&tools).prove()).unwrap_err().to_string();
                assert!(error.contains("which commands may write"), "{sandbox:?}: {error}");
                assert!(block_on(command(&cage(&tools), "echo")).is_error, "{sandbox:?}");
            }
            let mut tools = folder.tools(&sandbox);
            tools.commands.read.push(path.clone());
            let error = block_on(cage(&tools).prove()).unwrap_err().to_string();
            assert!(error.contains("which commands may write"), "{sandbox:?}: {error}");
        }
        // Nobody moves a directory that is beneath what is only read.
        let mut tools = folder.tools(&sandbox);
        tools.workspace.write = false;
        tools.workspace.roots = vec![WorkspaceRoot { path: inner.clone(), write: true }];
        let held = cage(&tools);
        assert_eq!(printed(&held, &format!("echo a > {0}/f; cat {0}/f; rm {0}/f", inner.display())), "a\n");
        let line = format!("mv {} moved || rmdir {0} || touch new", inner.display());
        assert!(block_on(command(&held, &line)).is_error, "{sandbox:?}");
    }
}
