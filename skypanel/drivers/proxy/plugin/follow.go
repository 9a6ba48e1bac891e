// Package follow brings the panel's configuration to Traefik: routes, certificates and limits, in one document.
//
// Traefik interprets it as a provider. It asks the panel several times a second, by the version that it has, so that an answer
// is short while nothing changes. Traefik's own HTTP provider would get and parse the whole document each time.
package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	pause      = 200 * time.Millisecond
	longestAsk = 30 * time.Second
)

// Config is the configuration of the provider.
type Config struct {
	// Where the panel has the document.
	URL string `json:"url,omitempty"`
	// What authenticates the proxy at the panel, and the header that it is in.
	Header string `json:"header,omitempty"`
	Token  string `json:"token,omitempty"`
}

// CreateConfig returns the default configuration.
func CreateConfig() *Config { return &Config{} }

// Provider follows the panel's document.
type Provider struct {
	config  *Config
	client  *http.Client
	version string
	cancel  context.CancelFunc
}

// New returns the provider.
func New(_ context.Context, config *Config, _ string) (*Provider, error) {
	return &Provider{config: config, client: &http.Client{Timeout: longestAsk}}, nil
}

// Init does nothing.
func (p *Provider) Init() error { return nil }

// Provide hands each new version of the document to Traefik, until Stop.
func (p *Provider) Provide(documents chan<- json.Marshaler) error {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go p.follow(ctx, documents)
	return nil
}

// Stop ends what Provide began.
func (p *Provider) Stop() error {
	p.cancel()
	return nil
}

func (p *Provider) follow(ctx context.Context, documents chan<- json.Marshaler) {
	wasThere := true
	for ctx.Err() == nil {
		document, err := p.ask(ctx)
		if err != nil && wasThere {
			fmt.Fprintf(os.Stderr, "The panel's configuration cannot be read, the last one stays in use: %v\n", err)
		}
		wasThere = err == nil
		if document != nil {
			documents <- json.RawMessage(document)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// ask returns the document, or nil if it is still the version that Traefik has.
func (p *Provider) ask(ctx context.Context) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.config.URL, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set(p.config.Header, p.config.Token)
	if p.version != "" {
		request.Header.Set("If-None-Match", p.version)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified {
		return nil, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the panel answered %s", response.Status)
	}
	document, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if !json.Valid(document) {
		return nil, fmt.Errorf("the panel's answer is no JSON")
	}
	p.version = response.Header.Get("ETag")
	return document, nil
}
