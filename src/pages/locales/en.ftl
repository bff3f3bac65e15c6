# The messages of the hosted pages. Every language has the same ones, with the same variables; a language is added as
# one more file, named by its tag.

# The name of this language, in itself.
language-name = English
# What a list of languages is called.
languages = Languages

home-title = An identity service runs here
home-intro = It keeps accounts, sessions and API keys for apps and programs, and speaks gRPC, Connect and REST. Clients reach it at { $issuer }.
home-account = Make the first account
home-account-how = In a terminal, with your own address and a new password:
home-administrator-how = On the machine of the server, make it an administrator:
home-sign-in = Sign in
home-sign-in-how = The answer holds an access token and a refresh token:
home-links = For your programs
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
