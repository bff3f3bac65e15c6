# The messages of the hosted pages. Every language has the same ones, with the same variables; a language is added as
# one more file, named by its tag.

# The name of this language, in itself.
language-name = English
# What a list of languages is called.
languages = Languages

home-title = An identity service runs here
home-intro = It keeps the accounts and sessions of apps and programs, signs people in by OAuth 2.1 and OpenID Connect, and speaks gRPC, Connect and REST. Clients reach it at { $issuer }.
home-account = Make the first account
home-account-how = In a terminal, with your own address and a new password:
home-administrator-how = On the machine of the server, make it an administrator:
home-sign-in = Sign in
home-sign-in-how = The answer holds an access token and a refresh token:
home-client = Let an app sign people in
home-client-how = Register it with the address that people come back to. The answer holds its client_id:
home-guides = Guides
home-guide-oauth = Sign-in by OAuth and OpenID Connect
home-guide-mcp = Sign-in for an MCP server
home-guide-tokens = What tokens say
home-guide-operations = Running this server
home-links = For your programs
home-metadata = Endpoints for OAuth and OpenID Connect
home-openapi = OpenAPI document
home-keys = Keys that verify tokens
home-health = Whether calls are served

api-reference = API reference
api-reference-no-script = The API reference needs scripts, which this browser does not run. All that it shows is in this document too:

not-found-title = There is no page at this address
not-found-advice = Check the address for a mistake, or begin at the start page.
not-found-home = Go to the start page
# Under an error, for whoever runs the server.
request-id = If you ask for help, name this request: { $id }

# Before the title of a page on which something is wrong.
title-error = Error:
sign-in-title = Sign in
sign-in = Sign in
register-title = Create an account
register = Create an account
continue-to = to continue to { $client }
email = E-mail address
password = Password
show-password = Show
hide-password = Hide
password-hint = At least 8 characters. A few words that only you would put together are a good password.
no-account = New here?
have-account = Do you have an account?
wrong-credentials = The e-mail address or the password is wrong.
email-missing = Enter your e-mail address.
email-invalid = This is not an e-mail address. One looks like ada@example.com.
email-taken = There is an account with this address already. Sign in instead, or use another address.
password-missing = Enter your password.
password-invalid = Choose a password of 8 to 256 characters.
password-too-common = Many people use this password, so it is easy to guess. Choose another.
too-many-tries = { $minutes ->
    [one] There were too many tries. Wait a minute and try again.
   *[other] There were too many tries. Wait { $minutes } minutes and try again.
}
busy = The service is busy. Wait a moment and try again.
something-broke = Something went wrong on our side. Try again in a moment.
# Proof of work: the browser calculates for a moment before an account is made.
work-required = Many accounts are being made from your network. Your browser does a calculation that keeps robots out: type your password again and go on.
work-always = This server asks everybody who makes an account for a calculation, which keeps robots out. It needs JavaScript.
work-invalid = The calculation took too long. It runs again: type your password again and go on.
work-running = Your browser is doing a calculation that keeps robots out…
work-done = The calculation is done.
work-failed = Your browser could not do the calculation. Press “Create an account” to try again, or use another browser.
work-no-script = Making an account needs a calculation by a script, and this browser runs none. Switch scripts on, or use another browser.
# Before the buttons of other providers.
or = or
continue-with = Continue with { $provider }
# Under the title of the sign-in page.
identity-not-linked = There is an account with the address that { $provider } knows you by. Sign in to it with its password, and { $provider } is connected to it.
identity-invalid = { $provider } did not confirm who you are. Try again, or sign in another way.
identity-provider-unavailable = { $provider } does not answer. Try again in a moment, or sign in another way.
consent-title = Allow { $client } to use your account?
consent-unverified = Go on only if you know this app and have started this yourself.
consent-document = The app is published by
consent-destination = It takes you to
this-device = this device ({ $host })
program-on-this-device = a program on this device ({ $scheme })
signed-in-as = You are signed in as { $email }.
other-account = Use another account
consent-scopes = The app will be able to
consent-new = new
consent-resources = At these services
scope-account = do everything in your account that you can do yourself
scope-openid = see that it is you
scope-profile = see your name
scope-email = see your e-mail address
scope-offline-access = stay connected while you are away
deny = Deny
cancel = Cancel
allow = Allow
returning = Returning to { $client }. You can close this window afterwards.
sign-out-title = Sign out of { $brand }?
sign-out = Sign out
sign-out-apps = Apps that you have connected stay connected.
sign-out-stay = To stay signed in, close this window.
sent-by = { $client } has sent you here.
signed-out-title = You are signed out
client-unknown-title = This app is not known here
client-unknown-advice = It may have been removed. In the app, remove this service and add it again: in Claude under Connectors, in ChatGPT under Apps, in Cursor under MCP, in VS Code by the command “Authentication: Remove Dynamic Authentication Providers”.
request-over-title = This request is over
request-over-advice = It was answered, it took too long, or it was begun in another browser. If the app works, close this window. If not, go back to the app and start again.
request-wrong-title = The app has made a mistake
request-wrong-advice = It asked for something that cannot be done, so nothing was done. Tell the people who make the app what stands here.
wrong-request-advice = It asked for something that it cannot have. You can go back to it, or close this window.
go-back = Go back
error-title = That did not work
