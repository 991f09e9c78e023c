# Nach dem Abmelden.

signed-out-title = Abgemeldet
signed-out-heading = Sie sind abgemeldet
signed-out-about = Sie können diese Seite schließen. An einem Computer, den auch andere benutzen, schließen Sie am besten den ganzen Browser.
signed-out-login = Wieder anmelden
signed-out-others = In diesem Browser sind noch andere Konten angemeldet. Wenn ihn auch andere benutzen, melden Sie alle ab.
signed-out-all = Von allen Konten abmelden
signed-out-choose = Konto wählen
