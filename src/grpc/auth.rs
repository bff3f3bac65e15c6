//! From a credential to a caller, and the policy of the rpc in between. An rpc without a policy is
//! refused, whoever calls it.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Extensions, HeaderMap, Request, Response, header::AUTHORIZATION, request::Parts};
use tonic::{Status, body::Body};
use tower::{Service, ServiceExt as _};

use crate::{
    domain::{
        Domain, accounts::Terms, challenges::OverLimit, credentials::Caller, throttle::Admission,
        tokens::Client,
    },
    error::{Error, Reason, Result},
    grpc::{GrpcService, device, limits::Limits},
    model::{
        account::Plan,
        administration::Administrator,
        request::{AdmissionOnly, RequestContext},
    },
    pb::{
        self, PolicyError,
        v1::{Access, LimitClass, RpcPolicy},
    },
};

/// Services outside the contract that anybody may call. They have a limit of their own.
const OPEN_SERVICES: [&str; 2] = ["/grpc.health.v1.", "/grpc.reflection."];

/// The policy of every rpc, by its path.
type Policies = HashMap<String, RpcPolicy>;

fn read_policies() -> std::result::Result<Policies, PolicyError> {
    let pool = pb::pool()?;
    let mut policies = Policies::new();
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        policies.insert(path, pb::policy(&method)?);
    }
    Ok(policies)
}

/// Lets a call through when the policy of its rpc allows its caller, and puts the [`Caller`], and the
/// [`OverLimit`] of a call that work may let through, into the extensions of the request.
#[derive(Clone)]
pub struct Authorize<S> {
    inner: S,
    rules: Arc<Rules>,
}

/// What a call has to pass.
struct Rules {
    domain: Arc<Domain>,
    policies: Policies,
    /// None when limits are switched off.
    limits: Option<Arc<Limits>>,
}

impl<S> Authorize<S> {
    /// The policies of the contract before `inner`, and the limits unless they are switched off.
    ///
    /// # Errors
    /// The descriptor cannot be read.
    pub fn new(
        inner: S,
        domain: Arc<Domain>,
        limits: Option<Arc<Limits>>,
    ) -> std::result::Result<Self, PolicyError> {
        let policies = read_policies()?;
        Ok(Self {
            inner,
            rules: Arc::new(Rules {
                domain,
                policies,
                limits,
            }),
        })
    }
}

impl<S> Service<Request<Body>> for Authorize<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = std::result::Result<Response<Body>, Infallible>> + Send>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let rules = Arc::clone(&self.rules);
        let (mut parts, body) = request.into_parts();
        Box::pin(async move {
            match rules.authorize(&parts).await {
                Ok(_) if parts.extensions.get::<AdmissionOnly>().is_some() => {
                    return Ok(Status::ok("").into_http());
                }
                Ok(admitted) => admitted.note(&mut parts.extensions),
                Err(refusal) => return Ok(Status::from(refusal).into_http()),
            }
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}

/// What is known of a call that may go on.
#[derive(Default)]
struct Admitted {
    /// Who calls, where the rpc wants to know.
    caller: Option<Arc<Caller>>,
    /// The limit on new accounts that the rpc itself has to spend.
    creation: Option<CreationLimit>,
    /// That limit, when it is reached and work is a way through.
    over_limit: Option<OverLimit>,
}

/// The limit on new accounts that a call is held to. It is spent by the rpc, once the request is known to be
/// a good one: what is refused before that costs nobody at the same address a sign-up.
#[derive(Clone)]
struct CreationLimit {
    limits: Arc<Limits>,
    plan: Plan,
    client: IpAddr,
}

impl CreationLimit {
    /// Looks at the limit, or spends it.
    fn hold(
        &self,
        limit: fn(&Limits, Plan, bool, IpAddr) -> Result<()>,
        mail_td: bool,
    ) -> Result<()> {
        limit(&self.limits, self.plan, mail_td, self.client)
            .map_err(|refusal| refusal.waiting_at_least(self.limits.refill(self.plan)))
    }
}

impl Admitted {
    fn note(self, extensions: &mut Extensions) {
        if let Some(caller) = self.caller {
            extensions.insert(caller);
        }
        if let Some(creation) = self.creation {
            extensions.insert(creation);
        }
        if let Some(over_limit) = self.over_limit {
            extensions.insert(over_limit);
        }
    }
}

impl Rules {
    async fn authorize(&self, request: &Parts) -> Result<Admitted> {
        let path = request.uri.path();
        let Some(policy) = self.policies.get(path) else {
            let open = OPEN_SERVICES
                .iter()
                .any(|service| path.starts_with(service));
            if !open {
                return Err(Reason::MethodNotFound.into());
            }
            let from = Origin::of(&request.extensions);
            self.spend_call(from, |limits| limits.probe(from.client))?;
            return Ok(Admitted::default());
        };
        let from = Origin::of(&request.extensions);
        match policy.access() {
            Access::Public => self.admit_public(policy.limit_class(), &request.headers, from),
            Access::Authenticated => {
                let caller = self.authenticate(policy, &request.headers, from).await?;
                Ok(Admitted {
                    creation: self.creation(policy.limit_class(), caller.plan, from.client)?,
                    caller: Some(caller),
                    ..Admitted::default()
                })
            }
            Access::Optional => Ok(Admitted {
                caller: self.identify(&request.headers, from).await?,
                ..Admitted::default()
            }),
            // They who run the server are held by no limit.
            Access::Administrator if request.extensions.get::<Operator>().is_some() => {
                Ok(Admitted::default())
            }
            Access::Administrator => {
                let caller = self.authenticate(policy, &request.headers, from).await?;
                require_administrator(&caller)?;
                Ok(Admitted {
                    caller: Some(caller),
                    ..Admitted::default()
                })
            }
            Access::Unspecified => {
                Err(Error::new(Reason::PermissionDenied).because(format!("{path} has no policy")))
            }
        }
    }

    async fn authenticate(
        &self,
        policy: &RpcPolicy,
        headers: &HeaderMap,
        from: Origin,
    ) -> Result<Arc<Caller>> {
        let caller = self
            .identify(headers, from)
            .await?
            .ok_or(Reason::CredentialMissing)?;
        if caller.scopes.has_one_of(&policy.scopes) {
            Ok(caller)
        } else {
            Err(Reason::PermissionDenied.into())
        }
    }

    /// The caller, whatever its scopes; none when no credential was sent.
    async fn identify(&self, headers: &HeaderMap, from: Origin) -> Result<Option<Arc<Caller>>> {
        let credential = match credential(headers) {
            Ok(Some(credential)) => credential,
            // A call without one, which costs no look-up.
            none => {
                self.spend_call(from, |limits| limits.public(from.client))?;
                return none.map(|_| None);
            }
        };
        let caller = self.find(&credential, from.client).await?;
        self.spend_call(from, |limits| {
            limits.authenticated(caller.plan, from.client)
        })?;
        Ok(Some(caller))
    }

    /// The caller of a credential. Trying credentials spends a quota of its own: neither that of those who
    /// have a good one at the same address, nor of those who log in there. Once it is spent, what is not
    /// remembered is looked for only in a form of ours, and not without end.
    async fn find(&self, credential: &str, client: IpAddr) -> Result<Arc<Caller>> {
        let may_look = || match self.spend(|limits| limits.may_try_credential(client)) {
            Err(_) if Domain::could_have_issued(credential) => {
                self.spend(|limits| limits.well_formed_credential(client))
            }
            admitted => admitted,
        };
        let found = self.domain.authenticate_if(credential, may_look).await;
        if let Err(refusal) = &found
            && refusal.reason() == Reason::CredentialInvalid
        {
            self.spend(|limits| limits.failed_credential(client))?;
        }
        found
    }

    /// Spends what a call without a credential does. Where work is a way through, the limit on sign-ups refuses
    /// nothing here: it goes on to the sign-up, which knows whether there is work.
    fn admit_public(
        &self,
        class: LimitClass,
        headers: &HeaderMap,
        from: Origin,
    ) -> Result<Admitted> {
        if let Err(refusal) = self.spend_call(from, |limits| limits.public(from.client)) {
            self.admit_known_device(class, headers, from.client, refusal)?;
        }
        match self.creation(class, Plan::Free, from.client) {
            Err(refusal) if self.domain.takes_work_over_the_limit() => Ok(Admitted {
                over_limit: OverLimit::of(&refusal),
                ..Admitted::default()
            }),
            creation => Ok(Admitted {
                creation: creation?,
                ..Admitted::default()
            }),
        }
    }

    /// Lets a log-in on a device that its account knows spend what is that account's, when the network has
    /// nothing left: nobody else at its address can use that up.
    fn admit_known_device(
        &self,
        class: LimitClass,
        headers: &HeaderMap,
        client: IpAddr,
        refusal: Error,
    ) -> Result<()> {
        let known_by = (class == LimitClass::SignIn)
            .then(|| device::of_call(self.domain.is_https(), headers))
            .flatten()
            .and_then(|device| self.domain.account_of_device(device));
        match known_by {
            Some(account) => self.spend(|limits| limits.known_device(account, client)),
            None => Err(refusal),
        }
    }

    /// The limit that the rpc has to spend where it makes an account, after every other limit.
    fn creation(
        &self,
        class: LimitClass,
        plan: Plan,
        client: IpAddr,
    ) -> Result<Option<CreationLimit>> {
        let limits = self.limits.as_ref();
        let Some(limits) = limits.filter(|_| class == LimitClass::AccountCreation) else {
            return Ok(None);
        };
        let limit = CreationLimit {
            limits: Arc::clone(limits),
            plan,
            client,
        };
        limit.hold(Limits::may_create, false)?;
        Ok(Some(limit))
    }

    /// Spends a call once, however many rpcs a face makes of it.
    fn spend_call(&self, from: Origin, spend: impl FnOnce(&Limits) -> Result<()>) -> Result<()> {
        if from.is_counted {
            return Ok(());
        }
        self.spend(spend)
    }

    fn spend(&self, spend: impl FnOnce(&Limits) -> Result<()>) -> Result<()> {
        self.limits.as_ref().map_or(Ok(()), |limits| spend(limits))
    }
}

/// Where a call comes from.
#[derive(Clone, Copy)]
struct Origin {
    client: IpAddr,
    /// An earlier rpc of the same request has been counted as its call.
    is_counted: bool,
}

impl Origin {
    /// Notes that the call is counted here, too.
    fn of(extensions: &Extensions) -> Self {
        let context = extensions.get::<RequestContext>();
        Self {
            client: client_address(extensions),
            is_counted: context.is_some_and(|context| !context.count()),
        }
    }
}

/// The address that a call is counted for. The layers put it there; without them all calls are one client's.
pub(super) fn client_address(extensions: &Extensions) -> IpAddr {
    let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let context = extensions.get::<RequestContext>();
    context.map_or(unspecified, |context| context.client_address)
}

/// The administrator in whose name the caller acts.
fn require_administrator(caller: &Caller) -> Result<Administrator> {
    caller
        .administers()
        .ok_or_else(|| Reason::PermissionDenied.into())
}

/// Marks a call of whoever runs the server. Nothing that arrives over the network can carry it: an
/// extension is no part of a message, and [`as_operator`] alone makes one.
#[derive(Clone, Copy)]
struct Operator;

/// The same services, where every call is that of whoever runs the server: they need no credential to
/// administer it. For callers that are known to have the server's data anyway, and for nobody else.
#[must_use]
pub fn as_operator(services: GrpcService) -> GrpcService {
    let marked = services.map_request(|mut request: Request<Body>| {
        request.extensions_mut().insert(Operator);
        request
    });
    GrpcService::new(marked)
}

/// The credential of a call: `Bearer` (RFC 6750 section 2.1), or `Basic` (RFC 7617) with the
/// credential as user name and an empty password. Any other scheme, and a credential without one, is
/// `CREDENTIAL_SCHEME_INVALID`.
fn credential(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let invalid = || Error::new(Reason::CredentialInvalid);
    if values.next().is_some() {
        return Err(invalid());
    }
    let text = value.to_str().map_err(|_| invalid())?;
    // A scheme without anything behind it, or a credential without its scheme.
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        let token = Some(rest).filter(|token| !token.is_empty());
        Ok(Some(token.ok_or_else(invalid)?.to_owned()))
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD
            .decode(rest)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        // An API key may contain anything visible but a colon at its end is the separator.
        let key = decoded
            .and_then(|text| text.strip_suffix(':').map(str::to_owned))
            .ok_or_else(invalid)?;
        Ok(Some(key))
    } else {
        Err(Reason::CredentialSchemeInvalid.into())
    }
}

/// The caller of an rpc that asks for one. The policy put it there; without one the rpc was stated
/// to be public and may not ask.
pub(super) fn caller<T>(request: &tonic::Request<T>) -> Result<Arc<Caller>> {
    optional_caller(request).ok_or_else(|| Reason::CredentialMissing.into())
}

/// The caller of an rpc that does without one. It may have any scopes.
pub(super) fn optional_caller<T>(request: &tonic::Request<T>) -> Option<Arc<Caller>> {
    request.extensions().get::<Arc<Caller>>().cloned()
}

/// Spends the limit on new accounts that the call is held to, when it is called.
pub(super) fn admission<T>(request: &tonic::Request<T>, mail_td: bool) -> Admission {
    let limit = request.extensions().get::<CreationLimit>().cloned();
    Box::new(move || limit.map_or(Ok(()), |limit| limit.hold(Limits::creation, mail_td)))
}

/// What the limits say of a sign-up, once it is known whether it is one of Mail.td's.
pub(super) fn terms<T>(
    domain: &Domain,
    request: &tonic::Request<T>,
    mail_td: bool,
) -> Result<Terms> {
    let mut over_limit: Option<OverLimit> = request.extensions().get().cloned();
    if let Some(limit) = request.extensions().get::<CreationLimit>()
        && let Err(refusal) = limit.hold(Limits::may_create, mail_td)
    {
        over_limit = OverLimit::of(&refusal).filter(|_| domain.takes_work_over_the_limit());
        if over_limit.is_none() {
            return Err(refusal);
        }
    }
    Ok(Terms {
        over_limit,
        admission: admission(request, mail_td),
    })
}

/// The administrator who calls an rpc for administrators.
pub(super) fn administrator<T>(request: &tonic::Request<T>) -> Result<Administrator> {
    match request.extensions().get::<Operator>() {
        Some(Operator) => Ok(Administrator::Operator),
        None => require_administrator(&*caller(request)?),
    }
}

/// The client of a call, to be kept with the session that it opens.
pub(super) fn client<T>(domain: &Domain, request: &tonic::Request<T>) -> Client {
    let user_agent = request
        .metadata()
        .get("user-agent")
        .and_then(|value| value.to_str().ok());
    let address = request
        .extensions()
        .get::<RequestContext>()
        .map(|context| context.client_address.to_string());
    let device = device::of_call(domain.is_https(), request.metadata().as_ref()).map(str::to_owned);
    Client::new(address.unwrap_or_default(), user_agent.unwrap_or_default()).on_device(device)
}
