# The account area.

account-navigation = Account
account-overview = Your account
account-second-factor = Second factor
account-name = Name
account-email = Mail address
account-unconfirmed = (not confirmed)
account-username = User name
account-switch = Switch or add an account
account-logout = Sign out

account-confirm-title = Confirm that it is you
account-confirm-about = Before something important changes in the account { $account }, we ask for its password again.
account-confirm-mismatch = This is not the password of this account. Try again.
account-confirm-submit = Confirm
account-confirm-leave = Leave everything as it is
