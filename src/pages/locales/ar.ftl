language-name = العربية
languages = اللغات

home-title = تعمل هنا خدمة هوية
home-intro = تدير حسابات التطبيقات والبرامج وجلساتها، وتسجّل دخول الأشخاص عبر OAuth 2.1 وOpenID Connect، وتتحدث gRPC وConnect وREST. يصل إليها العملاء على { $issuer }.
home-account = إنشاء أول حساب
home-account-how = في نافذة أوامر، بعنوان بريدك وكلمة مرور جديدة:
home-administrator-how = على جهاز الخادم، اجعله مسؤولاً:
home-sign-in = تسجيل الدخول
home-sign-in-how = تحتوي الإجابة على رمز وصول ورمز تحديث:
home-client = تسجيل دخول الأشخاص في تطبيق
home-client-how = سجّل التطبيق بالعنوان الذي يعود إليه الأشخاص. تحتوي الإجابة على client_id الخاص به:
home-guides = أدلة
home-guide-oauth = تسجيل الدخول عبر OAuth وOpenID Connect
home-guide-mcp = تسجيل الدخول إلى خادم MCP
home-guide-tokens = ما تقوله الرموز
home-guide-operations = تشغيل هذا الخادم
home-links = لبرامجك
home-metadata = عناوين OAuth وOpenID Connect
home-openapi = مستند OpenAPI
home-keys = المفاتيح التي تتحقق من الرموز
home-health = هل تُخدَم الطلبات

api-reference = مرجع واجهة API
api-reference-no-script = يحتاج مرجع واجهة API إلى نصوص برمجية لا يشغّلها هذا المتصفح. كل ما يعرضه موجود أيضاً في هذا المستند:

not-found-title = لا توجد صفحة على هذا العنوان
not-found-advice = تحقق من خلو العنوان من الأخطاء، أو ابدأ من صفحة البداية.
not-found-home = الانتقال إلى صفحة البداية
request-id = إذا طلبت المساعدة، فاذكر هذا الطلب: { $id }

title-error = خطأ:
sign-in-title = تسجيل الدخول
sign-in = تسجيل الدخول
register-title = إنشاء حساب
register = إنشاء حساب
continue-to = للمتابعة إلى { $client }
email = البريد الإلكتروني
password = كلمة المرور
show-password = إظهار
hide-password = إخفاء
password-hint = ثمانية أحرف على الأقل. بضع كلمات لا يجمعها غيرك هي كلمة مرور جيدة.
no-account = هل أنت جديد هنا؟
have-account = هل لديك حساب؟
wrong-credentials = البريد الإلكتروني أو كلمة المرور غير صحيحة.
email-missing = أدخل بريدك الإلكتروني.
email-invalid = هذا ليس بريدًا إلكترونيًا. مثال: ada@example.com.
email-taken = يوجد حساب بهذا البريد. سجّل الدخول أو استخدم بريدًا آخر.
password-missing = أدخل كلمة المرور.
password-invalid = اختر كلمة مرور من 8 إلى 256 حرفًا.
password-too-common = يستخدم كثيرون كلمة المرور هذه، ولذلك يسهل تخمينها. اختر غيرها.
too-many-tries = { $minutes ->
    [zero] محاولات كثيرة. انتظر قليلًا ثم حاول مرة أخرى.
    [one] محاولات كثيرة. انتظر دقيقة ثم حاول مرة أخرى.
    [two] محاولات كثيرة. انتظر دقيقتين ثم حاول مرة أخرى.
    [few] محاولات كثيرة. انتظر { $minutes } دقائق ثم حاول مرة أخرى.
    [many] محاولات كثيرة. انتظر { $minutes } دقيقة ثم حاول مرة أخرى.
   *[other] محاولات كثيرة. انتظر { $minutes } دقيقة ثم حاول مرة أخرى.
}
busy = الخدمة مشغولة. انتظر لحظة ثم حاول مرة أخرى.
something-broke = حدث خطأ من جانبنا. حاول مرة أخرى بعد لحظة.
work-required = تُنشأ حسابات كثيرة من شبكتك. يجري متصفحك عملية حسابية تُبعد الروبوتات: أدخل كلمة المرور مرة أخرى وتابع.
work-always = يطلب هذا الخادم لكل حساب جديد عملية حسابية تُبعد الروبوتات، وهي تحتاج إلى JavaScript.
work-invalid = استغرقت العملية الحسابية وقتًا طويلًا وتجري الآن من جديد: أدخل كلمة المرور مرة أخرى وتابع.
work-running = يجري متصفحك عملية حسابية تُبعد الروبوتات…
work-done = انتهت العملية الحسابية.
work-failed = لم يستطع متصفحك إجراء العملية الحسابية. اضغط على «إنشاء حساب» للمحاولة مرة أخرى، أو استخدم متصفحًا آخر.
work-no-script = يحتاج إنشاء الحساب إلى عملية حسابية يجريها برنامج نصي، وهذا المتصفح لا يشغّل البرامج النصية. فعّلها أو استخدم متصفحًا آخر.
or = أو
continue-with = المتابعة باستخدام { $provider }
identity-not-linked = يوجد حساب بالعنوان الذي يعرفك به { $provider }. سجّل الدخول إليه بكلمة مروره، وسيُربط به { $provider }.
identity-invalid = لم يؤكد { $provider } هويتك. حاول مرة أخرى، أو سجّل الدخول بطريقة أخرى.
identity-provider-unavailable = لا يستجيب { $provider }. حاول مرة أخرى بعد قليل، أو سجّل الدخول بطريقة أخرى.
consent-title = هل تسمح لـ { $client } باستخدام حسابك؟
consent-unverified = تابع فقط إذا كنت تعرف هذا التطبيق وبدأت هذا بنفسك.
consent-document = ينشر التطبيق
consent-destination = ينقلك إلى
this-device = هذا الجهاز ({ $host })
program-on-this-device = برنامج على هذا الجهاز ({ $scheme })
signed-in-as = سجّلت الدخول باسم { $email }.
other-account = استخدام حساب آخر
consent-scopes = سيستطيع التطبيق
consent-new = جديد
consent-resources = لدى هذه الخدمات
scope-account = أن يفعل في حسابك كل ما تستطيع أنت فعله
scope-openid = أن يعرف أنك أنت
scope-profile = أن يرى اسمك
scope-email = أن يرى بريدك الإلكتروني
scope-offline-access = أن يبقى متصلًا أثناء غيابك
deny = رفض
cancel = إلغاء
allow = سماح
returning = جارٍ الرجوع إلى { $client }. يمكنك إغلاق هذه النافذة بعد ذلك.
sign-out-title = هل تريد تسجيل الخروج من { $brand }؟
sign-out = تسجيل الخروج
sign-out-apps = تبقى التطبيقات التي ربطتها متصلة.
sign-out-stay = إذا أردت البقاء مسجّل الدخول فأغلق هذه النافذة.
sent-by = أرسلك { $client } إلى هنا.
signed-out-title = تم تسجيل الخروج
client-unknown-title = هذا التطبيق غير معروف هنا
client-unknown-advice = ربما أُزيل. احذف هذه الخدمة من التطبيق ثم أضفها من جديد: في Claude ضمن Connectors، وفي ChatGPT ضمن Apps، وفي Cursor ضمن MCP، وفي VS Code بالأمر «Authentication: Remove Dynamic Authentication Providers».
request-over-title = انتهى هذا الطلب
request-over-advice = أُجيب عنه، أو استغرق وقتًا طويلًا، أو بدأ في متصفح آخر. إذا كان التطبيق يعمل فأغلق هذه النافذة، وإلا فارجع إلى التطبيق وابدأ من جديد.
request-wrong-title = أخطأ التطبيق
request-wrong-advice = طلب شيئًا لا يمكن فعله، ولذلك لم يحدث شيء. أخبر صانعي التطبيق بما هو مكتوب هنا.
wrong-request-advice = طلب شيئًا لا يمكنه الحصول عليه. يمكنك الرجوع إليه أو إغلاق هذه النافذة.
go-back = رجوع
error-title = لم ينجح ذلك
