language-name = Deutsch
languages = Sprachen

home-title = Hier läuft ein Anmeldedienst
home-intro = Er verwaltet Konten, Sitzungen und API-Schlüssel für Apps und Programme und spricht gRPC, Connect und REST. Clients erreichen ihn unter { $issuer }.
home-account = Das erste Konto anlegen
home-account-how = In einem Terminal, mit Ihrer eigenen Adresse und einem neuen Passwort:
home-administrator-how = Auf dem Rechner des Servers machen Sie es zum Administrator:
home-sign-in = Anmelden
home-sign-in-how = Die Antwort enthält ein Access-Token und ein Refresh-Token:
home-links = Für Ihre Programme
home-openapi = OpenAPI-Dokument
home-keys = Schlüssel, die Tokens prüfen
home-health = Ob Aufrufe bedient werden

api-reference = API-Referenz
api-reference-no-script = Die API-Referenz braucht Skripte, die dieser Browser nicht ausführt. Alles, was sie zeigt, steht auch in diesem Dokument:

not-found-title = Unter dieser Adresse gibt es keine Seite
not-found-advice = Prüfen Sie die Adresse auf einen Tippfehler, oder beginnen Sie auf der Startseite.
not-found-home = Zur Startseite
request-id = Wenn Sie um Hilfe bitten, nennen Sie diese Anfrage: { $id }
