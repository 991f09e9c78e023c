# What a person allowed to which apps.

apps-title = Connected apps
apps-about = These apps may use your account:
apps-none = No app may use your account.
apps-since = Allowed on { $since }
apps-used = Last used on { $used }
apps-open = Open
apps-withdraw = Withdraw
apps-withdrawn = The app may not use your account any more.
apps-effect = An app from which you withdraw asks you again the next time. What it got may still open other services for a few minutes.
apps-no-choice = Nothing was chosen. Go back and press the button below the app.
