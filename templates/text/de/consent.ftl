# Ob eine App haben darf, worum sie bittet.

consent-title = { $app } erlauben?
consent-heading = Darf { $app } Ihr Konto verwenden?
consent-asks = Die App möchte:
consent-person = Angemeldet als <strong>{ $person }</strong>
consent-switch = Nicht Sie? Mit einem anderen Konto anmelden
consent-back-to-site = In beiden Fällen geht es zurück zu <strong>{ $host }</strong>.
consent-back-to-device = In beiden Fällen geht es zurück zur App auf diesem Gerät. Machen Sie nur weiter, wenn Sie sich dort gerade selbst anmelden wollten.
consent-unchecked-site = Diese App hat hier niemand geprüft: Sie hat sich selbst eingetragen. Ihre Antwort geht an <strong>{ $host }</strong>. Erlauben Sie es nur, wenn Sie diese Seite kennen und ihr vertrauen.
consent-unchecked-device = Diese App hat hier niemand geprüft: Sie hat sich selbst eingetragen, und ihre Antwort geht an eine App auf diesem Gerät. Erlauben Sie es nur, wenn Sie dieser App vertrauen.
consent-deny = Nicht erlauben
consent-allow = Erlauben
consent-undecided = Es ist keine Entscheidung angekommen. Gehen Sie zurück und wählen Sie eine der beiden.

# Die üblichen Berechtigungen; die von APIs stehen in den Worten dessen, der sie eingetragen hat.
consent-scope-openid = Wissen, wer Sie sind
consent-scope-profile = Ihren Namen und Ihr Profil sehen
consent-scope-email = Ihre E-Mail-Adresse sehen
consent-scope-address = Ihre Postanschrift sehen
consent-scope-phone = Ihre Telefonnummer sehen
consent-scope-offline-access = Den Zugriff behalten, auch wenn Sie nicht da sind
