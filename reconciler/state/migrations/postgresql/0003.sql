-- Which of several daemons leads. `term` counts those that led; `expires` is in the past where nobody does. `host` names
-- the machine and the process numbers that `pid` belongs to.
CREATE TABLE leader (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    holder TEXT NOT NULL,
    who TEXT NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    started TEXT NOT NULL,
    term BIGINT NOT NULL,
    since TEXT NOT NULL,
    expires TIMESTAMPTZ NOT NULL
);
