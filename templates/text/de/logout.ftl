# Ob abgemeldet wird.

logout-title = Abmelden?
logout-heading = Von { $brand } abmelden?
logout-asked = { $app } möchte Sie abmelden. Apps, die Sie mit dieser Anmeldung benutzt haben, bitten Sie vielleicht, sich neu anzumelden.
logout-about = Apps, die Sie mit dieser Anmeldung benutzt haben, bitten Sie vielleicht, sich neu anzumelden.
logout-submit = Abmelden
logout-stay = Angemeldet bleiben
logout-others = Andere Konten bleiben in diesem Browser angemeldet.
logout-all = Von allen Konten abmelden
