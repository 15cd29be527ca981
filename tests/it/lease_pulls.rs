//! Leases that fetch their files themselves.

use vimsim::types::method::*;
use vimsim::types::views::*;
use vimsim::types::{Moref, Value, View};
use vimsim::{Client, Error, FileClient, Simulator};

use crate::check_fault;
use crate::transfers::{found, import, manifest, start, there};

const DISK: &str = "/box/ParaVirtualSCSIController0:0";
const IMAGE: &str = "/box/VirtualIDEController0:0";
/// `user:pass`.
const PASSWORD: &str = "Basic dXNlcjpwYXNz";

/// A file in a folder of a datastore, which other servers could have as well.
async fn put(simulator: &Simulator, client: &Client, path: &str, bytes: impl Into<Vec<u8>>) -> String {
    let path = format!("/folder/{path}?dcPath=DC0&dsName=LocalDS_0");
    let answer = FileClient::in_session(simulator, client).put(&path, bytes.into()).await.unwrap();
    assert!(answer.status.is_success());
    format!("{}{path}", simulator.url())
}

fn file(device: &str, url: &str) -> HttpNfcLeaseSourceFile {
    HttpNfcLeaseSourceFile::with(|file| {
        file.set_target_device_id(device).set_url(url).set_create(false);
        file.push_http_headers(KeyValue::with(|pair| _ = pair.set_key("Authorization").set_value(PASSWORD)));
    })
}

async fn pull(client: &Client, lease: &Moref, files: &[HttpNfcLeaseSourceFile]) -> Result<Value, Error> {
    let request = HttpNfcLeasePullFromUrlsTask::with(|request| _ = request.set_files(files.iter().cloned()));
    client.run(lease, request).await
}

/// An archive with a file in it.
fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in [("box.ovf", &b"<Envelope/>"[..]), (name, bytes)] {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        archive.extend(header);
        archive.extend(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

#[tokio::test]
async fn a_lease_fetches_what_it_is_told_to() {
    let (simulator, client, _) = start().await;
    let disk = put(&simulator, &client, "some/disk.vmdk", vec![9; 70_000]).await;
    let image = put(&simulator, &client, "some/box.ova", archive("seed.iso", b"iso!")).await;
    let (lease, info, _) = import(&client).await;
    let capabilities = client.property(&lease, "capabilities.pullModeSupported").await.unwrap();
    assert_eq!(capabilities, Value::Bool(true));
    let mut image = file(IMAGE, &image);
    image.set_member_name("seed.iso");
    pull(&client, &lease, &[file(DISK, &disk), image]).await.unwrap();
    assert_eq!(client.property(&lease, "mode").await.unwrap().text(), Some("pull"));
    assert_eq!(client.property(&lease, "transferProgress").await.unwrap(), Value::Int(100));
    assert_eq!(client.property(&lease, "state").await.unwrap().text(), Some("ready"));
    let sizes: Vec<i64> = manifest(&client, &lease).await.iter().map(|entry| entry.size()).collect();
    assert_eq!(sizes, [70_000, 4]);
    client.call(&lease, HttpNfcLeaseComplete::new()).await.unwrap();
    let machine = there(&client, "DC0/vm/box").await;
    assert_eq!(info.entity(), machine);
    let committed = client.property(&machine, "summary.storage.committed").await.unwrap();
    assert_eq!(committed, Value::Long(8_684 + 70_000));
    check_fault::<InvalidState>(pull(&client, &lease, &[file(DISK, &disk)]).await);
}

#[tokio::test]
async fn what_cannot_be_fetched_is_told() {
    let (simulator, client, _) = start().await;
    let disk = put(&simulator, &client, "some/disk.vmdk", vec![9; 7_000]).await;
    let (lease, ..) = import(&client).await;
    let lost = put(&simulator, &client, "some/box.ova", archive("seed.iso", b"iso!")).await;
    let status = |answer: Result<Value, Error>| {
        let error = answer.expect_err("must be a fault");
        let fault = HttpFault::from_ref(error.fault().expect("a fault").detail().as_object()).cloned();
        fault.expect("one of HTTP").status_code()
    };
    let nowhere = format!("{}/folder/nowhere?dcPath=DC0&dsName=LocalDS_0", simulator.url());
    assert_eq!(status(pull(&client, &lease, &[file(DISK, &nowhere)]).await), 404);
    let mut anonymous = file(DISK, &disk);
    anonymous.set_http_headers(std::iter::empty::<KeyValue>());
    assert_eq!(status(pull(&client, &lease, &[anonymous]).await), 401);
    for uri in ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "nothing"] {
        assert_eq!(status(pull(&client, &lease, &[file(DISK, uri)]).await), 0, "{uri}");
    }
    let mut member = file(DISK, &lost);
    member.set_member_name("disk.vmdk");
    check_fault::<FileNotFound>(pull(&client, &lease, &[member.clone()]).await);
    member.set_url(&disk);
    check_fault::<SystemError>(pull(&client, &lease, &[member]).await);
    for files in [&[file("/box/nothing", &disk)][..], &[file(DISK, &disk), file(DISK, &disk)]] {
        check_fault::<InvalidArgument>(pull(&client, &lease, files).await);
    }
    // The lease is as it was.
    pull(&client, &lease, &[file(DISK, &disk)]).await.unwrap();
    client.call(&lease, HttpNfcLeaseAbort::new()).await.unwrap();
    assert!(found(&client, "DC0/vm/box").await.is_none());
    let machine = there(&client, "DC0/vm/DC0_H0_VM0").await;
    client.run(&machine, PowerOffVMTask::new()).await.unwrap();
    let out = client.call(&machine, ExportVm::new()).await.unwrap().moref().unwrap();
    check_fault::<InvalidState>(pull(&client, &out, &[file(DISK, &disk)]).await);
}

#[tokio::test]
async fn a_lease_says_which_servers_it_can_reach() {
    let (simulator, client, _) = start().await;
    let (lease, ..) = import(&client).await;
    let probe = |seconds: Option<i32>| {
        let request = HttpNfcLeaseProbeUrls::with(|request| {
            let here = format!("{}/nothing", simulator.url());
            request.set_files([file(DISK, &here), file(IMAGE, "http://127.0.0.1:1/")]).set_timeout(seconds);
        });
        client.call(&lease, request)
    };
    let answer = probe(None).await.unwrap();
    let reached: Vec<Value> =
        answer.items().iter().map(|it| it.object().unwrap().field("serverAccessible").clone()).collect();
    assert_eq!(reached, [Value::Bool(true), Value::Bool(false)]);
    for seconds in [0, 61] {
        check_fault::<InvalidArgument>(probe(Some(seconds)).await);
    }
    client.call(&lease, HttpNfcLeaseAbort::new()).await.unwrap();
    check_fault::<InvalidState>(probe(Some(1)).await);
}
