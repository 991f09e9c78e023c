# Whether an app may have what it asks for.

consent-title = Allow { $app }?
consent-heading = Allow { $app } to use your account?
consent-asks = It asks to:
consent-person = Signed in as <strong>{ $person }</strong>
consent-switch = Not you? Sign in as someone else
consent-back-to-site = Either way you go back to <strong>{ $host }</strong>.
consent-back-to-device = Either way you go back to the app on this device. Go on only if you have just started to sign in there yourself.
consent-unchecked-site = Nobody here has checked this app: it registered itself. Its answer goes to <strong>{ $host }</strong>. Allow it only if you know that site and trust it.
consent-unchecked-device = Nobody here has checked this app: it registered itself, and its answer goes to an app on this device. Allow it only if you trust that app.
consent-deny = Don’t allow
consent-allow = Allow
consent-undecided = Neither yes nor no arrived. Go back and choose one of the two.

# The standard scopes; those of APIs stand in the words of whoever registered them.
consent-scope-openid = Know who you are
consent-scope-profile = See your name and profile
consent-scope-email = See your mail address
consent-scope-address = See your postal address
consent-scope-phone = See your phone number
consent-scope-offline-access = Keep access while you are away
