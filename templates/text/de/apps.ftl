# Was jemand welchen Apps erlaubt hat.

apps-title = Verbundene Apps
apps-about = Diese Apps dürfen Ihr Konto verwenden:
apps-none = Keine App darf Ihr Konto verwenden.
apps-since = Erlaubt am { $since }
apps-used = Zuletzt verwendet am { $used }
apps-open = Öffnen
apps-withdraw = Widerrufen
apps-withdrawn = Die App darf Ihr Konto nicht mehr verwenden.
apps-effect = Eine App, der Sie es nicht mehr erlauben, fragt Sie beim nächsten Mal wieder. Was sie schon hat, kann noch einige Minuten lang andere Dienste öffnen.
apps-no-choice = Es wurde nichts gewählt. Gehen Sie zurück und drücken Sie den Knopf unter der App.
