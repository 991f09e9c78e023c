# Nach dem Abmelden.

signed-out-title = Abgemeldet
signed-out-heading = Sie sind abgemeldet
signed-out-about = Sie können diese Seite schließen. An einem Computer, den auch andere benutzen, schließen Sie am besten den ganzen Browser.
signed-out-login = Wieder anmelden
