//! Who may call an rpc: its policy from the descriptor, the caller of the credential, and what the call spends of the
//! limits of its client. An rpc without a policy is refused, whoever calls it.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Extensions, HeaderMap, Request, Response, Uri, header::AUTHORIZATION, request::Parts};
use tonic::{Status, body::Body};
use tower::{Service, ServiceExt as _};

use crate::{
    domain::{Domain, caller::Caller},
    error::{Error, Reason, Result},
    grpc::{GrpcService, device},
    limits::Limits,
    model::{
        administration::Administrator,
        request::{AuthorizeOnly, RequestContext, RequestOrigin},
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

/// Lets a call through when the policy of its rpc allows its caller, and puts the [`Caller`] into the extensions of
/// the request.
#[derive(Clone)]
pub struct Authorize<S> {
    inner: S,
    rules: Arc<Rules>,
}

/// What a call has to pass.
struct Rules {
    domain: Arc<Domain>,
    policies: Policies,
    limits: Arc<Limits>,
}

impl<S> Authorize<S> {
    /// The policies of the contract, and the limits, before `inner`.
    ///
    /// # Errors
    /// The descriptor cannot be read.
    pub fn new(
        inner: S,
        domain: Arc<Domain>,
        limits: Arc<Limits>,
    ) -> std::result::Result<Self, PolicyError> {
        let rules = Rules {
            domain,
            policies: read_policies()?,
            limits,
        };
        Ok(Self {
            inner,
            rules: Arc::new(rules),
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
            let earlier = parts.extensions.remove::<Authorized>();
            let caller = match earlier.filter(|earlier| earlier.rpc.path() == parts.uri.path()) {
                Some(earlier) => earlier.caller,
                None => match rules.authorize(&parts).await {
                    Ok(caller) => caller,
                    Err(refusal) => return Ok(Status::from(refusal).into_http()),
                },
            };
            if parts.extensions.get::<AuthorizeOnly>().is_some() {
                let rpc = parts.uri;
                let mut answer = Status::ok("").into_http();
                answer.extensions_mut().insert(Authorized { rpc, caller });
                return Ok(answer);
            }
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            inner.call(Request::from_parts(parts, body)).await
        })
    }
}

/// What was found of a call that was to be authorized only, to be sent along with the call itself. As with
/// [`Operator`], nothing that arrives over the network can carry it.
#[derive(Clone)]
struct Authorized {
    rpc: Uri,
    caller: Option<Arc<Caller>>,
}

impl Rules {
    /// The caller, where the rpc wants to know.
    async fn authorize(&self, call: &Parts) -> Result<Option<Arc<Caller>>> {
        let (path, source) = (call.uri.path(), Source::of(&call.extensions));
        let Some(policy) = self.policies.get(path) else {
            return self.authorize_probe(path, source).map(|()| None);
        };
        match policy.access() {
            Access::Public => {
                self.spend_public(policy.limit_class(), &call.headers, source)?;
                if policy.limit_class() == LimitClass::AccountCreation {
                    self.domain.challenges.may_sign_up(source.address)?;
                }
                Ok(None)
            }
            Access::Authenticated => {
                let caller = self.authenticate(policy, &call.headers, source).await?;
                if policy.limit_class() == LimitClass::AccountCreation {
                    self.limits.may_create(caller.plan, false, source.address)?;
                }
                Ok(Some(caller))
            }
            Access::Optional => self.identify(&call.headers, source).await,
            // They who run the server are held by no limit.
            Access::Administrator if call.extensions.get::<Operator>().is_some() => Ok(None),
            Access::Administrator => {
                let caller = self.authenticate(policy, &call.headers, source).await?;
                require_administrator(&caller)?;
                Ok(Some(caller))
            }
            Access::Unspecified => {
                Err(Error::new(Reason::PermissionDenied).because(format!("{path} has no policy")))
            }
        }
    }

    /// Lets a question to a service outside the contract through.
    fn authorize_probe(&self, path: &str, source: Source) -> Result<()> {
        if !OPEN_SERVICES.iter().any(|open| path.starts_with(open)) {
            return Err(Reason::MethodNotFound.into());
        }
        if source.is_counted {
            return Ok(());
        }
        self.limits.probe(source.address)
    }

    /// The caller, if it has one of the scopes that the rpc asks for.
    async fn authenticate(
        &self,
        policy: &RpcPolicy,
        headers: &HeaderMap,
        source: Source,
    ) -> Result<Arc<Caller>> {
        let caller = self
            .identify(headers, source)
            .await?
            .ok_or(Reason::CredentialMissing)?;
        if caller.scopes.has_one_of(&policy.scopes) {
            Ok(caller)
        } else {
            Err(Error::new(Reason::PermissionDenied).for_want_of_scope())
        }
    }

    /// The caller, whatever its scopes; none when no credential was sent.
    async fn identify(&self, headers: &HeaderMap, source: Source) -> Result<Option<Arc<Caller>>> {
        let credential = match credential(headers) {
            Ok(Some(credential)) => credential,
            // A call without one, which costs no look-up.
            none => {
                if !source.is_counted {
                    self.limits.public(source.address)?;
                }
                return none.map(|_| None);
            }
        };
        let caller = self
            .domain
            .credentials
            .authenticate(&credential, source.address)
            .await?;
        if !source.is_counted {
            self.limits.authenticated(caller.plan, source.address)?;
        }
        Ok(Some(caller))
    }

    /// Spends what a call without a credential does. A log-in on a device that its account knows spends what is that
    /// account's, when the network has nothing left: nobody else at its address can use that up.
    fn spend_public(&self, class: LimitClass, headers: &HeaderMap, source: Source) -> Result<()> {
        if source.is_counted {
            return Ok(());
        }
        match class {
            LimitClass::Token => return self.limits.token(source.address),
            LimitClass::ClientRegistration => {
                return self.limits.client_registration(source.address);
            }
            _ => {}
        }
        let Err(refusal) = self.limits.public(source.address) else {
            return Ok(());
        };
        let known_by = (class == LimitClass::SignIn)
            .then(|| device::of_call(self.domain.is_https, headers))
            .flatten()
            .and_then(|device| self.domain.devices.account_of(device));
        match known_by {
            Some(account) => self.limits.known_device(account, source.address),
            None => Err(refusal),
        }
    }
}

/// Where a call comes from.
#[derive(Clone, Copy)]
struct Source {
    address: IpAddr,
    /// An earlier rpc of the same request was counted as its call: a request spends one, however many rpcs a face
    /// makes of it.
    is_counted: bool,
}

impl Source {
    /// Notes that the call is counted here, too.
    fn of(extensions: &Extensions) -> Self {
        let context = extensions.get::<RequestContext>();
        Self {
            address: client_address(extensions),
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

/// The administrator who calls an rpc for administrators.
pub(super) fn administrator<T>(request: &tonic::Request<T>) -> Result<Administrator> {
    match request.extensions().get::<Operator>() {
        Some(Operator) => Ok(Administrator::Operator),
        None => require_administrator(&*caller(request)?),
    }
}

/// Where a call that signs somebody in comes from.
pub(super) fn origin<T>(domain: &Domain, request: &tonic::Request<T>) -> RequestOrigin {
    let user_agent = request.metadata().get("user-agent");
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let device = device::of_call(domain.is_https, request.metadata().as_ref()).map(str::to_owned);
    let address = client_address(request.extensions());
    RequestOrigin::new(address, user_agent.unwrap_or_default(), device)
}
