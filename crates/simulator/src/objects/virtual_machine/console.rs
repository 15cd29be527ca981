//! The console of a virtual machine: tickets for it, its screen and keyboard.

use vimsim_types::enums::VirtualMachinePowerState as Power;
use vimsim_types::method::{
    AcquireMksTicket, AcquireTicket, CreateScreenshotTask, DropConnections, PutUsbScanCodes, QueryConnections, SendNMI,
    SetDisplayTopology, SetScreenResolution,
};
use vimsim_types::views::{
    Datastore, GuestScreenInfo, HostSystem, InvalidState, ToolsUnavailable, VirtualMachine,
    VirtualMachineCertThumbprint, VirtualMachineConnection, VirtualMachineMksTicket, VirtualMachineTicket,
};
use vimsim_types::{ArcStr, Fault, Moref, View};

use super::disk::DatastorePath;
use super::power;
use crate::call::{Call, Look};
use crate::files::content::Blob;
use crate::files::edit::{self, Author};
use crate::files::{Content, Place};

/// The port on which hosts serve consoles.
const PORT: i32 = 902;

/// The kinds of tickets, as `VirtualMachineTicketType` names them.
const TICKETS: [&str; 5] = ["mks", "device", "guestControl", "webmks", "guestIntegrity"];

/// `InvalidPowerState` unless the machine runs.
fn check_on(machine: &VirtualMachine) -> Result<(), Fault> {
    match machine.runtime().power_state() {
        Power::PoweredOn => Ok(()),
        existing => Err(power::invalid_power_state(Power::PoweredOn, existing)),
    }
}

/// `ToolsUnavailable` unless VMware Tools run in the guest.
fn check_tools(machine: &VirtualMachine) -> Result<(), Fault> {
    let status = machine.guest().and_then(|guest| guest.tools_running_status());
    if status.is_some_and(|status| *status == "guestToolsRunning") {
        return Ok(());
    }
    let message = format!("VMware Tools are not running in '{}'", machine.name());
    Err(Fault::new(ToolsUnavailable::new(), message))
}

fn file(machine: &VirtualMachine) -> ArcStr {
    machine.config().and_then(|config| config.files().vm_path_name()).cloned().unwrap_or_default()
}

/// Where the machine's host can be reached: its name and the fingerprint of its certificate.
fn host<T: View>(call: &Call<'_, T>, machine: &VirtualMachine) -> (Option<ArcStr>, Option<ArcStr>) {
    let host = machine.runtime().host();
    let host = host.as_ref().and_then(|host| call.view::<HostSystem>(host));
    let fingerprint = host.and_then(|host| host.summary().config().ssl_thumbprint()).cloned();
    (host.map(|host| host.name().clone()), fingerprint)
}

/// A word that nobody has been given before: it follows from the machine and a number.
fn ticket<T>(call: &mut Call<'_, T>, kind: &str, moref: &Moref) -> String {
    let number = call.next_number();
    crate::uuid::named(&format!("{kind} {moref} {number}"))
}

/// A ticket for the machine's console, of the kind that old clients ask for.
///
/// - `InvalidPowerState` unless the machine runs.
pub(super) fn acquire_mks_ticket(
    call: &mut Call<'_, VirtualMachine>,
    _: AcquireMksTicket,
) -> Result<VirtualMachineMksTicket, Fault> {
    let this = call.moref();
    let machine = call.this()?.clone();
    check_on(&machine)?;
    let (name, fingerprint) = host(call, &machine);
    let word = ticket(call, "mks", &this);
    Ok(VirtualMachineMksTicket::with(|ticket| {
        ticket.set_ticket(word).set_cfg_file(file(&machine));
        ticket.set_host(name).set_port(PORT).set_ssl_thumbprint(fingerprint);
    }))
}

/// A ticket for the machine's console, or for what else can be reached through its host.
///
/// - `InvalidPowerState` unless the machine runs; `InvalidArgument` for a kind of tickets that there is not.
pub(super) fn acquire_ticket(
    call: &mut Call<'_, VirtualMachine>,
    request: AcquireTicket,
) -> Result<VirtualMachineTicket, Fault> {
    let kind = request.ticket_type().clone();
    if !TICKETS.contains(&kind.as_str()) {
        return Err(Fault::invalid_argument("ticketType", format!("'{kind}' is no kind of tickets")));
    }
    let this = call.moref();
    let machine = call.this()?.clone();
    check_on(&machine)?;
    let (name, fingerprint) = host(call, &machine);
    let word = ticket(call, &kind, &this);
    Ok(VirtualMachineTicket::with(|ticket| {
        if let Some(name) = name.as_ref().filter(|_| kind == "webmks") {
            ticket.set_url(format!("wss://{name}:443/ticket/{word}"));
        }
        ticket.set_ticket(word).set_cfg_file(file(&machine)).set_host(name).set_port(PORT);
        if let Some(fingerprint) = &fingerprint {
            ticket.push_cert_thumbprint_list(VirtualMachineCertThumbprint::with(|thumbprint| {
                thumbprint.set_thumbprint(fingerprint).set_hash_algorithm("sha1");
            }));
        }
        ticket.set_ssl_thumbprint(fingerprint);
    }))
}

/// Who looks at the console: nobody.
///
/// - `InvalidPowerState` unless the machine runs.
pub(super) fn query_connections(
    look: &Look<'_, VirtualMachine>,
    _: QueryConnections,
) -> Result<Vec<VirtualMachineConnection>, Fault> {
    check_on(look.this()?)?;
    Ok(Vec::new())
}

/// Ends connections to the console. There are none, so that none of those named can be.
///
/// - `InvalidPowerState` unless the machine runs.
pub(super) fn drop_connections(look: &Look<'_, VirtualMachine>, request: DropConnections) -> Result<bool, Fault> {
    check_on(look.this()?)?;
    Ok(request.list_of_connections().is_empty())
}

/// Sets the size of the guest's screen.
///
/// - `InvalidPowerState` unless the machine runs; `ToolsUnavailable` unless Tools run in it; `InvalidArgument` for no size.
pub(super) fn set_screen_resolution(
    call: &mut Call<'_, VirtualMachine>,
    request: SetScreenResolution,
) -> Result<(), Fault> {
    set_screen(call, request.width(), request.height())
}

fn set_screen(call: &mut Call<'_, VirtualMachine>, width: i32, height: i32) -> Result<(), Fault> {
    if width <= 0 || height <= 0 {
        return Err(Fault::invalid_argument("width", format!("{width} x {height} is no size of a screen")));
    }
    check_on(call.this()?)?;
    check_tools(call.this()?)?;
    call.this_mut()?.guest_mut().set_screen(GuestScreenInfo::with(|screen| {
        screen.set_width(width).set_height(height);
    }));
    Ok(())
}

/// Sets where the guest's screens are. The guest reports the size of them together.
///
/// - As [`set_screen_resolution`].
pub(super) fn set_display_topology(
    call: &mut Call<'_, VirtualMachine>,
    request: SetDisplayTopology,
) -> Result<(), Fault> {
    let displays = request.displays();
    let right = displays.iter().map(|display| display.x().saturating_add(display.width())).max().unwrap_or_default();
    let bottom = displays.iter().map(|display| display.y().saturating_add(display.height())).max().unwrap_or_default();
    set_screen(call, right, bottom)
}

/// Types on the machine's keyboard: the number of the keys.
///
/// - `InvalidPowerState` unless the machine runs.
pub(super) fn put_usb_scan_codes(look: &Look<'_, VirtualMachine>, request: PutUsbScanCodes) -> Result<i32, Fault> {
    check_on(look.this()?)?;
    Ok(i32::try_from(request.spec().key_events().len()).unwrap_or(i32::MAX))
}

/// A picture of a dark screen: a PNG of one black pixel.
const DARK: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0,
    0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1,
    0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

/// Keeps a picture of the screen beside the machine's files: its path.
///
/// - `InvalidPowerState` unless the machine runs, as a fault of the task.
pub(super) fn create_screenshot(call: &mut Call<'_, VirtualMachine>, _: CreateScreenshotTask) -> Result<Moref, Fault> {
    call.start_task(|call| {
        let machine = call.this()?.clone();
        check_on(&machine)?;
        let home = DatastorePath::parse(&file(&machine)).map(|path| path.parent());
        let home = home.ok_or_else(|| Fault::new(InvalidState::new(), "the virtual machine has no files"))?;
        let number = call.next_number();
        let path = home.join(&format!("{}-{number}.png", machine.name()));
        let is_named = |moref: &Moref| call.view::<Datastore>(moref).is_some_and(|it| *it.name() == path.datastore);
        if let Some(moref) = machine.datastore().iter().find(is_named) {
            let place = Place::new(&moref, call.get::<Datastore>(&moref)?, &path.path, &path.to_string())?;
            let author = Author::of(call.context());
            let content = Content::Bytes(Blob::new(DARK.to_vec()));
            edit::put(call, &author, &place, content, edit::IfThere::Replace)?;
        }
        Ok(path.to_string())
    })
}

/// Interrupts the guest as a button on a server does.
///
/// - `InvalidPowerState` unless the machine runs.
pub(super) fn send_nmi(look: &Look<'_, VirtualMachine>, _: SendNMI) -> Result<(), Fault> {
    check_on(look.this()?)
}
