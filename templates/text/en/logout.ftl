# Whether to sign out.

logout-title = Sign out?
logout-heading = Sign out of { $brand }?
logout-asked = { $app } asks to sign you out. Apps that you used with this sign-in may ask you to sign in again.
logout-about = Apps that you used with this sign-in may ask you to sign in again.
logout-submit = Sign out
logout-stay = Stay signed in
logout-others = Other accounts stay signed in on this browser.
logout-all = Sign out of all accounts
