package forward

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"skypanel/document"
)

const (
	routesPause = 200 * time.Millisecond
	// Where the panel asks which route of an app is in use, by its id.
	askedPath = "/routes/"
)

// App is an app, or a part of the panel, and how its requests are served.
type App struct {
	// The names, some of which may be wildcards.
	Hosts []string `json:"hosts"`
	// The servers, as host:port, in round robin.
	Endpoints []string `json:"endpoints"`
	// The hosts whose requests over HTTP are redirected to HTTPS.
	Redirected []string `json:"redirected,omitempty"`
	// Whether the server is the ingress of a Swarm, which sends its own errors if no dyno answers.
	Ingress bool `json:"ingress,omitempty"`
	// How long a server may take to begin its answer after the request, and how long both sides may then be silent, in
	// milliseconds. 0 is no limit.
	FirstByteMs int64 `json:"firstByteMs,omitempty"`
	IdleMs      int64 `json:"idleMs,omitempty"`
	// The value of Strict-Transport-Security (RFC 6797) where a server sends none.
	Hsts string `json:"hsts,omitempty"`
	// Whether this is a part of the panel: dot segments and empty segments are removed from its paths, and it closes no
	// connection early.
	Cleans bool `json:"-"`
	// How many requests it got.
	Asked uint64 `json:"-"`
}

// Table is what the panel says of all apps, by their ids. A CA may ask for the hosts in `Proving` now.
type Table struct {
	Apps    map[string]*App `json:"apps"`
	Proving []string        `json:"proving"`
	byHost  map[string]*App
	isSafe  map[string]bool
	proving map[string]bool
}

var (
	follows sync.Once
	// The *Table in use.
	inUse atomic.Value
)

// followRoutes begins to follow the panel's table of apps. It is there once for all entry points, however often Traefik asks for handlers.
func followRoutes(config *Config) {
	follows.Do(func() {
		table := document.New("http://"+config.Panel+config.Routes, config.Kept, tokenHeader, config.Token)
		if kept := table.Kept(); kept != nil {
			use(kept)
		}
		go table.Follow(context.Background(), routesPause, use)
	})
}

// use puts a table to use.
func use(content []byte) error {
	table := &Table{}
	if err := json.Unmarshal(content, table); err != nil {
		return err
	}
	if table.Apps == nil {
		return errors.New("the panel's answer has no apps")
	}
	table.byHost = make(map[string]*App, len(table.Apps))
	table.isSafe = make(map[string]bool)
	table.proving = make(map[string]bool, len(table.Proving))
	for _, app := range table.Apps {
		for _, host := range app.Hosts {
			table.byHost[host] = app
		}
		for _, host := range app.Redirected {
			table.isSafe[host] = true
		}
	}
	for _, host := range table.Proving {
		table.proving[host] = true
	}
	inUse.Store(table)
	return nil
}

// find returns the app that serves a request, or nil if it is the panel, and whether the request is redirected to HTTPS.
func find(r *http.Request) (*App, bool) {
	table, isThere := inUse.Load().(*Table)
	if !isThere {
		return nil, false
	}
	host := hostOf(r)
	key := host
	app := table.byHost[key]
	if app == nil {
		// A wildcard stands for one label, and every exact name goes before it.
		if dot := strings.IndexByte(host, '.'); dot > 0 {
			key = "*" + host[dot:]
			app = table.byHost[key]
		}
	}
	if app == nil {
		return nil, false
	}
	if strings.HasPrefix(r.URL.Path, challenges) {
		if r.TLS == nil && table.proving[host] {
			return nil, false
		}
		return app, false
	}
	return app, table.isSafe[key] && !isSecure(r)
}

// hostOf returns the host that a request is for, in lower case, without its port.
func hostOf(r *http.Request) string {
	host := r.Host
	if strings.Contains(host, ":") {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// tellRoute tells the panel which route of an app is in use.
func tellRoute(w http.ResponseWriter, r *http.Request) {
	table, isThere := inUse.Load().(*Table)
	if !isThere {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	app := table.Apps[strings.TrimPrefix(r.URL.Path, askedPath)]
	if app == nil {
		app = &App{}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(app)
}
