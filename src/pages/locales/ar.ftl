language-name = العربية
languages = اللغات

home-title = تعمل هنا خدمة هوية
home-intro = تدير الحسابات والجلسات ومفاتيح API للتطبيقات والبرامج، وتتحدث gRPC وConnect وREST. يصل إليها العملاء على { $issuer }.
home-account = إنشاء أول حساب
home-account-how = في نافذة أوامر، بعنوان بريدك وكلمة مرور جديدة:
home-administrator-how = على جهاز الخادم، اجعله مسؤولاً:
home-sign-in = تسجيل الدخول
home-sign-in-how = تحتوي الإجابة على رمز وصول ورمز تحديث:
home-links = لبرامجك
home-openapi = مستند OpenAPI
home-keys = المفاتيح التي تتحقق من الرموز
home-health = هل تُخدَم الطلبات

api-reference = مرجع واجهة API
api-reference-no-script = يحتاج مرجع واجهة API إلى نصوص برمجية لا يشغّلها هذا المتصفح. كل ما يعرضه موجود أيضاً في هذا المستند:

not-found-title = لا توجد صفحة على هذا العنوان
not-found-advice = تحقق من خلو العنوان من الأخطاء، أو ابدأ من صفحة البداية.
not-found-home = الانتقال إلى صفحة البداية
request-id = إذا طلبت المساعدة، فاذكر هذا الطلب: { $id }
