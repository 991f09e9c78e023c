# Welches der Konten im Browser gemeint ist.

accounts-title = Konto wählen
accounts-for = um bei <strong>{ $app }</strong> weiterzumachen
accounts-about = In diesem Browser sind Sie mit diesen Konten bei { $brand } angemeldet.
accounts-present = aktiv
accounts-signed-out = abgemeldet
accounts-expected = Dieses Konto erwartet die App
accounts-another = Anderes Konto verwenden
accounts-full = Mehr Konten gehen hier nicht: Ein weiteres tritt an die Stelle dessen, das am längsten nicht benutzt wurde.
accounts-sign-out = Von allen Konten abmelden
accounts-no-choice = Es wurde nichts gewählt. Gehen Sie zurück und drücken Sie den Knopf eines Kontos.
