//! The security token service: who gets a SAML token, for whom it stands, and for how long.

use vimsim_types::{ArcStr, Fault};

use crate::objects::session_manager::{knows, login_failure, trusts};
use crate::service::Service;
use crate::session::Token;

/// The longest lives of tokens, in seconds: vCenter's defaults, 5 minutes and 30 days.
const BEARER_LIMIT: i64 = 5 * 60;
const HOLDER_OF_KEY_LIMIT: i64 = 30 * 24 * 60 * 60;

/// A request for a token.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The name and password of who asks.
    pub user: Option<(ArcStr, ArcStr)>,
    /// The token of who asks.
    pub token: Option<Token>,
    /// The token of the user on whose behalf the new one is to be.
    pub act_as: Option<Token>,
    /// How many seconds it should be valid.
    pub lifetime: Option<i64>,
    /// Whether it will only be good together with a certificate.
    pub is_holder_of_key: bool,
}

impl Service {
    /// Issues a token.
    ///
    /// - `InvalidLogin` if who asks is unknown, or one of the tokens is not valid.
    pub fn issue_token(&self, request: &TokenRequest) -> Result<Token, Fault> {
        let asking = match (&request.user, &request.token) {
            (Some((user, password)), _) if knows(self, user, password) => user,
            (None, Some(token)) if trusts(self, token) => &token.subject,
            _ => return Err(login_failure()),
        };
        match &request.act_as {
            Some(token) if !trusts(self, token) => Err(login_failure()),
            Some(token) => Ok(self.grant(&token.subject, request)),
            None => Ok(self.grant(asking, request)),
        }
    }

    /// Makes a token of one that is still valid, with a life of its own.
    ///
    /// - `InvalidLogin` if it is not valid.
    pub fn renew_token(&self, token: &Token, request: &TokenRequest) -> Result<Token, Fault> {
        match trusts(self, token) {
            true => Ok(self.grant(&token.subject, request)),
            false => Err(login_failure()),
        }
    }

    fn grant(&self, subject: &ArcStr, request: &TokenRequest) -> Token {
        let limit = if request.is_holder_of_key { HOLDER_OF_KEY_LIMIT } else { BEARER_LIMIT };
        let lifetime = request.lifetime.unwrap_or(BEARER_LIMIT).clamp(1, limit);
        let now = self.clock().now();
        let end = now.plus_seconds(lifetime);
        Token { subject: subject.clone(), not_before: Some(now), not_on_or_after: Some(end) }
    }
}
