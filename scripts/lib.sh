# Shared by the scripts here; sourced, never run. Works from any folder.
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export PATH="$PATH:/usr/sbin:/sbin"

# The folder of PostgreSQL's server programs, newest first: Debian keeps them in a versioned folder off the PATH.
postgres_bin() {
    local folder
    for folder in $(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -rV); do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then echo "$folder"; return 0; fi
    done
    if command -v initdb >/dev/null && command -v postgres >/dev/null; then
        dirname "$(readlink -f "$(command -v initdb)")"
        return 0
    fi
    return 1
}

is_on() {
    case "${1,,}" in 1 | true | yes | on) return 0 ;; *) return 1 ;; esac
}

# The demo center has passwords that everybody knows: never where people work in earnest.
demo_by_default() { if is_on "${PRODUCTION:-}"; then echo 0; else echo 1; fi; }

# As tests/conftest.py looks for it.
chromium_path() {
    command -v chromium-headless-shell || command -v chromium || command -v chromium-browser || command -v google-chrome
}

# PostgreSQL's programs of the same release as the newest server here; a client older than the server refuses to dump.
postgres_program() {
    local folder
    if folder="$(postgres_bin)" && [ -x "$folder/$1" ]; then echo "$folder/$1"; else command -v "$1"; fi
}

python_of_ours() {
    if [ -x "$ROOT/.venv/bin/python" ]; then "$ROOT/.venv/bin/python" "$@"; else python3 "$@"; fi
}

database_kind() {
    case "${DATABASE_URL:-}" in
        postgres://* | postgresql://*) echo postgresql ;;
        "" | sqlite:*) echo sqlite ;;
        *) echo "DATABASE_URL: only PostgreSQL and SQLite are supported." >&2; return 1 ;;
    esac
}

sqlite_path() {
    local path="${DATABASE_URL:-}"
    path="${path#sqlite://}"
    echo "${path:-${SERVICECENTER_VAR:-$ROOT/var}/servicecenter.sqlite3}"
}

# Where files of cases are kept, unless the settings say otherwise.
attachments_folder() { echo "${SERVICECENTER_VAR:-$ROOT/var}/attachments"; }
