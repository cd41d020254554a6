"""The proxies' own configuration files, as short as they can be for a reverse proxy.

Each is filled in with: `port` to listen on, `server` (the port of davkeep), `patience` in whole
seconds, `folder` for what it writes.
"""

#: Filled in besides: `upstream`, lines that say how nginx speaks to davkeep.
NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    upstream davkeep {{
        server 127.0.0.1:{server};
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://davkeep;
            proxy_set_header Host $http_host;
            proxy_read_timeout {patience}s;
            {upstream}
        }}
    }}
}}
"""

#: nginx's default up to 1.29.6.
UPSTREAM_10 = "proxy_http_version 1.0;"
UPSTREAM_11 = 'proxy_http_version 1.1; proxy_set_header Connection "";'

APACHE = """
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog /dev/stderr
Mutex file:{folder} default
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
StartServers 1
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
ProxyTimeout {patience}
ProxyPreserveHost On
ProxyPass / http://127.0.0.1:{server}/
"""

HAPROXY = """
global
    maxconn 200
defaults
    mode http
    timeout client 1h
    timeout connect 5s
    timeout server {patience}s
frontend public
    bind 127.0.0.1:{port}
    default_backend davkeep
backend davkeep
    server davkeep 127.0.0.1:{server}
"""

SQUID = """
http_port 127.0.0.1:{port} accel vhost
cache_peer 127.0.0.1 parent {server} 0 no-query no-digest no-netdb-exchange originserver login=PASS
never_direct allow all
http_access allow all
cache deny all
cache_mem 0
memory_cache_shared off
pinger_enable off
access_log none
cache_log /dev/null
pid_filename none
coredump_dir none
max_filedescriptors 1024
shutdown_lifetime 0 seconds
read_timeout {patience} seconds
"""

VARNISH = """
vcl 4.1;
backend davkeep {{
    .host = "127.0.0.1";
    .port = "{server}";
    .first_byte_timeout = {patience}s;
}}
sub vcl_recv {{
    return (pass);
}}
"""

CADDY = """
{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{server} {{
        transport http {{
            response_header_timeout {patience}s
        }}
    }}
}}
"""

LIGHTTPD = """
server.modules = ("mod_proxy")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}"
server.errorlog = "{folder}/errors"
proxy.server = ("" => (("host" => "127.0.0.1", "port" => {server}, "read-timeout" => {patience})))
"""

#: With the rules that it has by itself.
CACHING_VARNISH = """
vcl 4.1;
backend davkeep {{
    .host = "127.0.0.1";
    .port = "{server}";
    .first_byte_timeout = {patience}s;
}}
"""
