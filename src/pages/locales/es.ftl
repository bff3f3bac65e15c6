language-name = Español
languages = Idiomas

home-title = Aquí funciona un servicio de identidad
home-intro = Gestiona cuentas, sesiones y claves de API para aplicaciones y programas, y habla gRPC, Connect y REST. Los clientes lo encuentran en { $issuer }.
home-account = Crear la primera cuenta
home-account-how = En un terminal, con su propia dirección y una contraseña nueva:
home-administrator-how = En la máquina del servidor, conviértala en administradora:
home-sign-in = Iniciar sesión
home-sign-in-how = La respuesta contiene un token de acceso y un token de actualización:
home-links = Para sus programas
home-openapi = Documento OpenAPI
home-keys = Claves que verifican los tokens
home-health = Si se atienden las llamadas

api-reference = Referencia de la API
api-reference-no-script = La referencia de la API necesita scripts, que este navegador no ejecuta. Todo lo que muestra está también en este documento:

not-found-title = No hay ninguna página en esta dirección
not-found-advice = Revise si la dirección tiene algún error o empiece por la página de inicio.
not-found-home = Ir a la página de inicio
request-id = Si pide ayuda, indique esta solicitud: { $id }
