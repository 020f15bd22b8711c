package config

import _ "embed"

// SystemdUnit is the text of syncd.service, the unit that packages install.
//
//go:embed systemd/syncd.service
var SystemdUnit string
