// Package document follows a document of the panel. Both plugins import it; Traefik interprets it.
package document

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const longestAsk = 30 * time.Second

// Document is one that the panel has at a URL, and keeps in a file for the proxy's next start.
type Document struct {
	URL  string
	File string
	// What authenticates the proxy at the panel, and the header that it is in.
	Header string
	Token  string

	client  *http.Client
	version string
}

// New returns a document of which nothing is known yet.
func New(url, file, header, token string) *Document {
	return &Document{URL: url, File: file, Header: header, Token: token, client: &http.Client{Timeout: longestAsk}}
}

// Kept returns the document as it was last, or nil.
func (d *Document) Kept() []byte {
	content, err := os.ReadFile(d.File)
	if err != nil {
		return nil
	}
	return content
}

// Follow asks for the document by the version that is there, again and again until the context ends. Each new version goes to `use`.
// What `use` refuses is no version.
func (d *Document) Follow(ctx context.Context, pause time.Duration, use func(content []byte) error) {
	wasRead := true
	for ctx.Err() == nil {
		err := d.ask(ctx, use)
		if err != nil && wasRead {
			fmt.Fprintf(os.Stderr, "%s cannot be read, the last version stays in use: %v\n", d.URL, err)
		}
		wasRead = err == nil
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (d *Document) ask(ctx context.Context, use func(content []byte) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
	if err != nil {
		return err
	}
	request.Header.Set(d.Header, d.Token)
	if d.version != "" {
		request.Header.Set("If-None-Match", d.version)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified {
		return nil
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the panel answered %s", response.Status)
	}
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := use(content); err != nil {
		return err
	}
	d.version = response.Header.Get("ETag")
	return nil
}
