#!/bin/sh
# Runs inside a new image once its packages are there.
set -eu

groupadd --gid 1000 app
useradd --uid 1000 --gid 1000 --home-dir /app --no-create-home --shell /bin/bash app
install -d -o app -g app -m 0755 /app /cache /env
# packages of Java fail to install without the folder that others leave out; buildpacks install such
install -d /buildpacks /usr/share/man/man1
# the root is read-only where this runs
rm -rf /var/tmp
ln -s /tmp /var/tmp

# nothing here gives anybody another's rights
find / -xdev -type f -perm /6000 -exec chmod ug-s {} +

# third-party buildpacks read the list of before there was the other format
if ! grep -qs '^deb ' /etc/apt/sources.list; then
	awk '
		/^URIs:/ { uri = $2 }
		/^Suites:/ { $1 = ""; suites = $0 }
		/^Components:/ { $1 = ""; count = split(suites, each, " "); for (i = 1; i <= count; i++) print "deb " uri " " each[i] $0 }
	' /etc/apt/sources.list.d/*.sources >/etc/apt/sources.list
	rm /etc/apt/sources.list.d/*.sources
fi

rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/log/*.log /var/log/apt /var/cache/debconf/*-old
: >/etc/machine-id
