"""The other servers' own configuration files, equal as far as they have the same choices.

No log of requests, no user, locks in a database where there is one, ``sendfile`` for what is read,
a connection that stays open for any number of requests, uploads staged on the file system of the
share, and answers to ``Depth: infinity`` where they are given at all.

Each is filled in with: `port` to listen on, `share` (the folder that is served), `folder` for what
it writes besides, and `modules`, the folder of its modules.
"""

#: `user` holds the lines that name who serves, where it is started by root; it refuses to be root.
APACHE = """
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/errors
Mutex file:{folder} default
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
TypesConfig /dev/null
AddType application/octet-stream .bin
StartServers 1
ServerLimit 1
ThreadsPerChild 64
ThreadLimit 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
KeepAlive On
KeepAliveTimeout 300
MaxKeepAliveRequests 0
LimitRequestBody 0
EnableSendfile On
FileETag MTime Size
DavLockDB {folder}/locks
DocumentRoot {share}
<Directory {share}>
    Options None
    AllowOverride None
    Require all granted
    Dav On
    DavDepthInfinity On
</Directory>
"""

NGINX = """
load_module {modules}/ngx_http_dav_ext_module.so;
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/errors error;
events {{}}
http {{
    access_log off;
    types {{ application/octet-stream bin; }}
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 300;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    dav_ext_lock_zone zone=locks:1m;
    server {{
        listen 127.0.0.1:{port};
        root {share};
        dav_methods PUT DELETE MKCOL COPY MOVE;
        dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
        dav_ext_lock zone=locks;
        min_delete_depth 0;
    }}
}}
"""

LIGHTTPD = """
server.modules = ("mod_webdav")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{share}"
server.errorlog = "{folder}/errors"
server.upload-dirs = ("{folder}")
server.max-keep-alive-requests = 65000
server.max-keep-alive-idle = 300
server.stat-cache-engine = "disable"
mimetype.assign = (".bin" => "application/octet-stream")
webdav.activate = "enable"
webdav.sqlite-db-name = "{folder}/locks.sqlite"
webdav.opts = ("propfind-depth-infinity" => "enable")
"""
