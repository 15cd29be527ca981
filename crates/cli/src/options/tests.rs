//! What flags come to.

use super::*;
use crate::arguments::{Answer, Persona, parse};

fn options(line: &str) -> Result<Options, Answer> {
    parse(Persona::Vimsim, line.split_whitespace().map(Into::into))
}

fn check_wrong(line: &str, message: &str) {
    assert_eq!(options(line).err(), Some(Answer::Wrong(message.to_owned())), "{line}");
}

#[test]
fn defaults_are_those_of_vcsim() {
    let Options { service, model, containers, latency, diagnosis, command } = options("").unwrap();
    assert_eq!(service.listen, "127.0.0.1:8989");
    assert_eq!(service.environment, PathBuf::from("-"));
    assert!(service.tls && !service.stdin_exit);
    assert_eq!(service.tunnel, -1);
    assert_eq!([model.datacenter, model.cluster, model.cluster_host], [1, 1, 3]);
    assert_eq!([model.standalone_host, model.datastore, model.virtual_machine], [1, 1, 2]);
    assert_eq!([model.pool, model.app, model.pod, model.folder], [0; 4]);
    assert_eq!([model.portgroup, model.portgroup_nsx, model.opaque_network], [1, 0, 0]);
    assert!(model.autostart && !model.esx);
    assert_eq!((containers.host_container, containers.container_image), (None, None));
    assert_eq!((latency.delay, latency.delay_jitter), (0, 0.0));
    assert!(!diagnosis.trace && latency.method_delay.is_empty());
    assert_eq!(command, None);
}

#[test]
fn every_flag_of_vcsim_is_known() {
    let line = "-dc 1 -cluster 1 -host 1 -standalone-host 1 -ds 1 -vm 1 -pool 1 -app 1 -pod 1 -pg 1 \
        -pg-nsx 1 -nsx 1 -folder 1 -autostart=false -api-version 7.0 -esx -tls=false -tlscert c -tlskey k \
        -E env -l :0 -username u -password p -tunnel 0 -trace -trace-file t -stdinexit -load d -delay 1 \
        -method-delay Login:1 -delay-jitter 0.5";
    options(line).unwrap();
}

#[test]
fn the_last_of_a_flag_counts() {
    assert_eq!(options("-vm 1 -vm=2").unwrap().model.virtual_machine, 2);
    assert!(!options("-tls -tls=f").unwrap().service.tls);
}

#[test]
fn commands_follow_the_flags() {
    assert_eq!(options("-esx version").unwrap().command, Some(Command::Version));
    let names = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(options("uuidgen a b").unwrap().command, Some(Command::Uuidgen { names }));
}

#[test]
fn says_in_one_line_what_is_wrong() {
    check_wrong("-vm -1", "invalid value '-1' for '--vm <N>': expected a number from 0 to 2000000");
    check_wrong("-vm", "a value is required for '--vm <N>' but none was supplied");
    check_wrong("-tls=maybe", "invalid value 'maybe' for '--tls[=<BOOL>]': expected true or false");
    check_wrong("-tunnel 70000", "invalid value '70000' for '--tunnel <PORT>': 70000 is not in -1..=65535");
    check_wrong(
        "-method-delay Login",
        "invalid value 'Login' for '--method-delay <METHOD:MS,...>': `Login` is not METHOD:MILLISECONDS",
    );
    check_wrong(
        "-delay-jitter NaN",
        "invalid value 'NaN' for '--delay-jitter <FRACTION>': expected a number from 0 to 100",
    );
    check_wrong(
        "-host-container [",
        "invalid value '[' for '--host-container <IMAGE>': not a JSON array of strings: EOF while parsing a list at line 1 column 1",
    );
    check_wrong("-tlscert a.pem", "-tlscert and -tlskey belong together");
    check_wrong("-dc 2000 -vm 2000", "an inventory of 8018000 objects is more than 2000000");
    check_wrong(
        "-dc 2000000 -cluster 2000000 -host 2000000 -vm 2000000",
        "an inventory of 16000012000008000000 objects is more than 2000000",
    );
    check_wrong("-flder 1", "unexpected argument '--flder' found; a similar argument exists: '--folder'");
    check_wrong("serve", "unrecognized subcommand 'serve'");
}

#[test]
fn help_is_not_an_error() {
    let Err(Answer::Asked(help)) = options("-h") else { panic!("no help") };
    assert!(help.contains("Examples:") && help.contains("--standalone-host"));
}

#[test]
fn a_certificate_is_used_only_with_tls() {
    let tls = |line| options(line).unwrap().server().tls;
    assert_eq!(tls(""), Tls::SelfSigned);
    assert_eq!(tls("-tls=false -tlscert c -tlskey k"), Tls::Off);
    assert_eq!(tls("-tlscert c -tlskey k"), Tls::Files { certificate: "c".into(), key: "k".into() });
}

#[test]
fn a_negative_tunnel_port_is_no_tunnel() {
    let tunnel = |line| options(line).unwrap().server().tunnel;
    assert_eq!((tunnel("-tunnel -1"), tunnel("-tunnel 0"), tunnel("-tunnel 80")), (None, Some(0), Some(80)));
}

#[test]
fn reads_byte_sizes() {
    assert_eq!(byte_size("123"), Ok(123));
    assert_eq!(byte_size("64M"), Ok(64 << 20));
    assert!(["", "M", "-1", "1.5M", "99999999999G"].iter().all(|text| byte_size(text).is_err()));
}

#[test]
fn a_password_may_be_in_a_file() {
    let credentials = |line| options(line).unwrap().credentials().unwrap();
    let user = |username: &str, password: &str| {
        Some(Credentials { username: username.to_owned(), password: password.to_owned() })
    };
    assert_eq!(credentials("-password secret"), None);
    assert_eq!(credentials("-username root"), user("root", ""));
    assert_eq!(credentials("-username root -password vmware"), user("root", "vmware"));
    let path = std::env::temp_dir().join(format!("vimsim-secret-{}", std::process::id()));
    std::fs::write(&path, " in a file\n").unwrap();
    let line = format!("-username root -password {}", path.display());
    assert_eq!(credentials(&line), user("root", "in a file"));
    std::fs::remove_file(path).unwrap();
}
