# Where a person is signed in.

sessions-title = Devices
sessions-about = You are signed in here. If you do not know one of them, end it and change your password.
sessions-present = this device
sessions-since = Signed in on { $since }
sessions-seen = Last seen on { $seen }
sessions-address = From { $address }
sessions-apps = Used by
sessions-end = End
sessions-end-present = End, and sign out here
sessions-end-others = End all others
sessions-ended = It is ended: nobody is signed in there any more.
sessions-effect = What you end is over at once, for the apps that were used with it, too. The device is asked for your password and your second factor again.
sessions-no-choice = Nothing was chosen. Go back and press the button beside the device.
