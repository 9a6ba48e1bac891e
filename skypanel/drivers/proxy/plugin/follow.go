// Package follow brings the panel's configuration to Traefik: certificates, and the few routers that there are.
//
// Traefik interprets it as a provider. It asks the panel by the version that it has, so that an answer is short while nothing changes.
// Traefik's own HTTP provider would get and parse the whole document each time.
package follow

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"skypanel/document"
)

// Each change costs Traefik all certificates anew.
const pause = time.Second

// Config is the configuration of the provider.
type Config struct {
	// Where the panel has the document, and the file with the last one.
	URL  string `json:"url,omitempty"`
	File string `json:"file,omitempty"`
	// What authenticates the proxy at the panel, and the header that it is in.
	Header string `json:"header,omitempty"`
	Token  string `json:"token,omitempty"`
}

// CreateConfig returns the default configuration.
func CreateConfig() *Config { return &Config{} }

// Provider follows the panel's document.
type Provider struct {
	document *document.Document
	cancel   context.CancelFunc
}

// New returns the provider.
func New(_ context.Context, config *Config, _ string) (*Provider, error) {
	return &Provider{document: document.New(config.URL, config.File, config.Header, config.Token)}, nil
}

// Init does nothing.
func (p *Provider) Init() error { return nil }

// Provide hands the last version of the document and each new one to Traefik, until Stop.
func (p *Provider) Provide(documents chan<- json.Marshaler) error {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	hand := func(content []byte) error {
		if !json.Valid(content) {
			return errors.New("the panel's answer is no JSON")
		}
		documents <- json.RawMessage(content)
		return nil
	}
	go func() {
		if kept := p.document.Kept(); kept != nil {
			hand(kept)
		}
		p.document.Follow(ctx, pause, hand)
	}()
	return nil
}

// Stop ends what Provide began.
func (p *Provider) Stop() error {
	p.cancel()
	return nil
}
