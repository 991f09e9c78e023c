# After a sign-out, while apps hear of it.

front-channel-title = Signing out
front-channel-heading = You are signed out
front-channel-about = The apps that you used are being told. This takes a moment.
front-channel-go-on = Go on
