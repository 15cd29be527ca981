//! Sessions: who is logged in. Kept beside the registry, because every request touches one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use vimsim_types::{ArcStr, DateTime, View, views::UserSession};

use crate::uuid;

/// Where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The client's `User-Agent`.
    pub user_agent: Option<ArcStr>,
    /// The certificate that the client showed, in DER, and holds the key of.
    pub certificate: Option<Arc<[u8]>>,
}

/// What a SAML token says, taken off the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The user it stands for.
    pub subject: ArcStr,
    /// When it begins to be valid, if it says so.
    pub not_before: Option<DateTime>,
    /// When it is no longer valid, if it ever ceases to be.
    pub not_on_or_after: Option<DateTime>,
}

/// One login.
#[derive(Debug)]
pub struct Session {
    key: ArcStr,
    cookie: ArcStr,
    user: ArcStr,
    full_name: ArcStr,
    is_extension: bool,
    login: DateTime,
    peer: Peer,
    active: AtomicI64,
    calls: AtomicU64,
}

impl Session {
    /// The key: what `UserSession.key` shows to everybody.
    pub fn key(&self) -> &ArcStr {
        &self.key
    }

    /// The secret that the client sends with each request.
    pub fn cookie(&self) -> &ArcStr {
        &self.cookie
    }

    /// The name of the user.
    pub fn user(&self) -> &ArcStr {
        &self.user
    }

    /// When it began.
    pub fn login_time(&self) -> DateTime {
        self.login
    }

    /// When it was last used.
    pub fn last_active(&self) -> DateTime {
        DateTime::from_micros(self.active.load(Ordering::Relaxed))
    }

    /// The session as the API shows it.
    pub fn user_session(&self) -> UserSession {
        UserSession::with(|session| {
            session.set_key(&self.key);
            session.set_user_name(&self.user);
            session.set_full_name(&self.full_name);
            session.set_login_time(self.login);
            session.set_last_active_time(self.last_active());
            session.set_locale("en");
            session.set_message_locale("en");
            session.set_extension_session(self.is_extension);
            session.set_ip_address(self.peer.address.map(|address| address.to_string()));
            session.set_user_agent(self.peer.user_agent.as_ref());
            session.set_call_count(i64::try_from(self.calls.load(Ordering::Relaxed)).unwrap_or(i64::MAX));
        })
    }

    pub(crate) fn touch(&self, now: DateTime) {
        self.active.store(now.micros(), Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// All sessions, by cookie.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_cookie: RwLock<BTreeMap<ArcStr, Arc<Session>>>,
}

impl Sessions {
    /// Begins a session of a user, or of an extension.
    pub(crate) fn begin(&self, user: ArcStr, is_extension: bool, peer: Peer, now: DateTime) -> Arc<Session> {
        let session = Arc::new(Session {
            key: uuid::random().into(),
            cookie: uuid::random().into(),
            full_name: user.clone(),
            user,
            is_extension,
            login: now,
            peer,
            active: AtomicI64::new(now.micros()),
            calls: AtomicU64::new(0),
        });
        let mut sessions = self.by_cookie.write().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session.cookie.clone(), session.clone());
        session
    }

    /// The session of this cookie.
    pub(crate) fn find(&self, cookie: &str) -> Option<Arc<Session>> {
        self.by_cookie.read().unwrap_or_else(PoisonError::into_inner).get(cookie).cloned()
    }

    /// The session of this key.
    pub(crate) fn by_key(&self, key: &str) -> Option<Arc<Session>> {
        self.all().into_iter().find(|session| session.key == key)
    }

    /// Ends the session of this key; whether there was one.
    pub(crate) fn end(&self, key: &str) -> bool {
        let mut sessions = self.by_cookie.write().unwrap_or_else(PoisonError::into_inner);
        let before = sessions.len();
        sessions.retain(|_, session| session.key != key);
        sessions.len() < before
    }

    /// Whether the session has not ended.
    pub(crate) fn is_live(&self, session: &Session) -> bool {
        self.by_cookie.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session.cookie)
    }

    /// All sessions, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        let sessions = self.by_cookie.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = sessions.values().cloned().collect();
        all.sort_by(|a, b| (a.login, &a.key).cmp(&(b.login, &b.key)));
        all
    }
}
