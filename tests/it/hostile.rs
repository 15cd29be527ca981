//! Any request is answered, and the service goes on.

use vimsim::{Client, Config, Simulator};

use crate::start;

const HEAD: &str = r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soapenv:Body>"#;
const TAIL: &str = "</soapenv:Body></soapenv:Envelope>";

/// Sends a body, checks that a SOAP fault comes back, that its message has these words, and that the service lives.
async fn check(body: impl Into<Vec<u8>>, words: &str) {
    let (simulator, client) = start().await;
    let (status, answer) = client.post(body.into()).await.unwrap();
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    assert_eq!(status, 500, "{answer}");
    assert!(answer.contains("<faultcode>ServerFaultCode</faultcode>"), "{answer}");
    assert!(!answer.contains("<faultstring></faultstring>"), "{answer}");
    assert!(answer.contains(words), "no {words:?} in {answer}");
    check_alive(&simulator).await;
}

async fn check_alive(simulator: &Simulator) {
    let other = Client::login(simulator).await.unwrap();
    let name = other.property(&crate::root_folder(), "name").await.unwrap();
    assert_eq!(name.text(), Some("Datacenters"));
}

fn body(text: &str) -> String {
    format!("{HEAD}{text}{TAIL}")
}

fn retrieve(spec: &str) -> String {
    body(&format!(
        r#"<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">propertyCollector</_this>{spec}<options/></RetrievePropertiesEx>"#
    ))
}

#[tokio::test]
async fn nothing() {
    check("", "").await;
}

#[tokio::test]
async fn not_xml() {
    check("GET / HTTP/1.1", "").await;
}

#[tokio::test]
async fn binary() {
    check((0..=255).cycle().take(100_000).collect::<Vec<u8>>(), "").await;
}

#[tokio::test]
async fn truncated_anywhere() {
    let whole = retrieve("<specSet><objectSet><obj type=\"Folder\">group-d1</obj></objectSet></specSet>");
    let (simulator, client) = start().await;
    for end in (0..whole.len()).step_by(7) {
        let (status, answer) = client.post(whole.as_bytes()[..end].to_vec()).await.unwrap();
        assert_eq!(status, 500, "{end}: {answer:?}");
    }
    check_alive(&simulator).await;
}

#[tokio::test]
async fn a_billion_laughs() {
    let entities =
        r#"<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"#;
    check(format!("{entities}{}", body("<CurrentTime xmlns=\"urn:vim25\">&b;</CurrentTime>")), "").await;
}

#[tokio::test]
async fn an_entity_that_reads_a_file() {
    let doctype = r#"<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>"#;
    check(format!("{doctype}{}", body("<CurrentTime xmlns=\"urn:vim25\"><_this>&f;</_this></CurrentTime>")), "").await;
}

#[tokio::test]
async fn deeply_nested() {
    let deep = "<a>".repeat(100_000) + &"</a>".repeat(100_000);
    check(body(&format!("<CurrentTime xmlns=\"urn:vim25\">{deep}</CurrentTime>")), "").await;
}

#[tokio::test]
async fn selection_sets_in_a_circle() {
    let (_simulator, client) = start().await;
    let circle = r#"<specSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet></propSet><objectSet>
        <obj type="Folder">group-d1</obj><skip>false</skip>
        <selectSet xsi:type="TraversalSpec"><name>a</name><type>Folder</type><path>childEntity</path><skip>false</skip>
            <selectSet><name>b</name></selectSet></selectSet>
        <selectSet xsi:type="TraversalSpec"><name>b</name><type>Datacenter</type><path>parent</path><skip>false</skip>
            <selectSet><name>a</name></selectSet></selectSet>
        </objectSet></specSet>"#;
    let (status, answer) = client.post(retrieve(circle)).await.unwrap();
    assert_eq!(status, 200, "{answer:?}");
}

#[tokio::test]
async fn an_unknown_method() {
    check(body("<MakeCoffee xmlns=\"urn:vim25\"/>"), "MakeCoffee").await;
}

#[tokio::test]
async fn a_method_that_nobody_has_written_names_itself() {
    let this = r#"<_this type="HostProfileManager">HostProfileManager</_this>"#;
    check(
        body(&format!("<QueryPolicyMetadata xmlns=\"urn:vim25\">{this}</QueryPolicyMetadata>")),
        "QueryPolicyMetadata",
    )
    .await;
}

#[tokio::test]
async fn an_unknown_object() {
    let this = r#"<_this type="Folder">group-99999</_this><name>x</name>"#;
    check(body(&format!("<CreateFolder xmlns=\"urn:vim25\">{this}</CreateFolder>")), "ManagedObjectNotFound").await;
}

#[tokio::test]
async fn a_method_of_another_type() {
    let this = r#"<_this type="SearchIndex">SearchIndex</_this><name>x</name>"#;
    check(body(&format!("<CreateFolder xmlns=\"urn:vim25\">{this}</CreateFolder>")), "MethodNotFound").await;
}

#[tokio::test]
async fn a_word_for_a_number() {
    let spec = r#"<specSet/><options><maxObjects>many</maxObjects></options>"#;
    let this = r#"<_this type="PropertyCollector">propertyCollector</_this>"#;
    check(body(&format!("<RetrievePropertiesEx xmlns=\"urn:vim25\">{this}{spec}</RetrievePropertiesEx>")), "many")
        .await;
}

#[tokio::test]
async fn an_unknown_element() {
    check(retrieve("<specSet><colour>red</colour></specSet>"), "colour").await;
}

#[tokio::test]
async fn an_unknown_type() {
    check(retrieve("<specSet xsi:type=\"Nonsense\"/>"), "Nonsense").await;
}

#[tokio::test]
async fn a_type_that_does_not_fit() {
    check(retrieve("<specSet xsi:type=\"VirtualDisk\"/>"), "").await;
}

#[tokio::test]
async fn a_bad_property_path() {
    let spec = r#"<specSet><propSet><type>Folder</type><pathSet>no.such</pathSet></propSet>
        <objectSet><obj type="Folder">group-d1</obj></objectSet></specSet>"#;
    check(retrieve(spec), "InvalidProperty").await;
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let server = vimsim::Simulator::start(Config::default()).await.unwrap();
    let client = Client::new(&server);
    let huge = body(&format!("<CurrentTime xmlns=\"urn:vim25\">{}</CurrentTime>", " ".repeat(65 << 20)));
    let (status, answer) = client.post(huge).await.unwrap();
    assert_eq!(status, 500, "{answer:?}");
    check_alive(&server).await;
}

// What follows are the ordinary requests that kill vcsim or hang it for ever (those that take arguments are in
// `machines::no_request_that_kills_vcsim_does_so_here`).

/// After any esxcli command, vcsim panics in every search.
#[tokio::test]
async fn searches_work_after_esxcli() {
    let (simulator, client) = start().await;
    for host in ["host-21", "host-37"] {
        let this = format!(r#"<_this type="HostSystem">{host}</_this>"#);
        for method in ["RetrieveDynamicTypeManager", "RetrieveManagedMethodExecuter"] {
            let (status, answer) =
                client.post(body(&format!("<{method} xmlns=\"urn:vim25\">{this}</{method}>"))).await.unwrap();
            assert!(status == 200 || status == 500, "{answer:?}");
        }
    }
    for (method, arguments) in [
        ("FindByUuid", "<uuid>x</uuid><vmSearch>true</vmSearch>"),
        ("FindAllByIp", "<ip>10.0.0.1</ip><vmSearch>true</vmSearch>"),
        ("FindByDnsName", "<dnsName>x</dnsName><vmSearch>false</vmSearch>"),
        ("FindByInventoryPath", "<inventoryPath>DC0/vm/DC0_H0_VM0</inventoryPath>"),
    ] {
        let this = r#"<_this type="SearchIndex">SearchIndex</_this>"#;
        let text = format!("<{method} xmlns=\"urn:vim25\">{this}{arguments}</{method}>");
        let (status, answer) = client.post(body(&text)).await.unwrap();
        assert_eq!(status, 200, "{method}: {answer:?}");
    }
    check_alive(&simulator).await;
}

/// A program in the guest of a machine without a container leaves vcsim with a lock that is never given back.
#[tokio::test]
async fn a_program_is_run_in_a_guest_without_a_container() {
    use vimsim::types::method::StartProgramInGuest;
    use vimsim::types::views::{GuestProcessManager, GuestProgramSpec, NamePasswordAuthentication, VirtualMachine};
    use vimsim::types::{Moref, View};
    let (simulator, client) = start().await;
    let machine = Moref::of::<VirtualMachine>("vm-62");
    let request = StartProgramInGuest::with(|request| {
        request.set_vm(machine.clone());
        request.set_auth(NamePasswordAuthentication::with(|auth| _ = auth.set_username("root").set_password("x")));
        request.set_spec(GuestProgramSpec::with(|spec| _ = spec.set_program_path("/bin/ls").set_arguments("/")));
    });
    let manager = Moref::of::<GuestProcessManager>("guestOperationsProcessManager");
    let answer = client.call(&manager, request).await;
    assert!(answer.expect_err("there is nothing to run it").fault().is_some());
    client.property(&machine, "summary").await.unwrap();
    check_alive(&simulator).await;
}

/// The volumes with a tag: another lock that vcsim never gives back.
#[tokio::test]
async fn volumes_are_listed_by_a_tag() {
    let (simulator, client) = start().await;
    let this = r#"<_this type="VslmVStorageObjectManager">VStorageObjectManager</_this>"#;
    let method = "VslmListVStorageObjectsAttachedToTag";
    let text = format!("<{method} xmlns=\"urn:vslm\">{this}<category>c</category><tag>t</tag></{method}>");
    for path in ["/sdk", "/vslm/sdk"] {
        let other = Client::at(&simulator, path).with_session(&client.session().unwrap());
        let (status, answer) = other.post(body(&text)).await.unwrap();
        assert!(status == 500 || status == 404, "{path}: {status} {answer:?}");
    }
    let this = r#"<_this type="VcenterVStorageObjectManager">VStorageObjectManager</_this>"#;
    let method = "ListVStorageObjectsAttachedToTag";
    let text = format!("<{method} xmlns=\"urn:vim25\">{this}<category>c</category><tag>t</tag></{method}>");
    check(body(&text), "").await;
    check_alive(&simulator).await;
}
