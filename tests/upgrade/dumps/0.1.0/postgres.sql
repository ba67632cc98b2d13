SELECT pg_catalog.set_config('search_path', '', false);
CREATE FUNCTION public.live_capture_a8792157cb4f() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    SET "TimeZone" TO 'UTC'
    SET "IntervalStyle" TO 'iso_8601'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET row_security TO 'off'
    AS $$
DECLARE
  v_count integer; v_old text[]; v_new text[]; v_before text[]; v_after text[]; v_there text[]; v_cause text;
  v_alone boolean;
BEGIN
  IF to_regclass('"public"."live_waiting"') IS NULL THEN RETURN NULL; END IF;
  BEGIN
    IF pg_trigger_depth() > 1 THEN SET CONSTRAINTS "public"."live_commit" DEFERRED; END IF;
    IF to_regclass('"public"."product"') IS DISTINCT FROM 16386::regclass THEN RAISE 'another table'; END IF;
    v_alone := current_setting('transaction_isolation') = 'serializable' AND pg_trigger_depth() = 1 AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = TG_RELID AND tgname NOT IN ('!live_capture', '!live_truncate') AND tgenabled <> 'D' AND (NOT tgisinternal OR tgfoid::regproc::text ~ 'RI_FKey_(cascade|setnull|setdefault)'));
    IF TG_OP = 'TRUNCATE' THEN
      v_cause := 'truncated';
    ELSE
      v_count := coalesce(nullif(current_setting('live.n_890f6f17d3d5', true), ''), '0')::integer + 1;
      IF v_count > 10000 THEN
        v_cause := 'backlog';
        PERFORM set_config('live.flooded', 'on', true);
      ELSE
        PERFORM set_config('live.n_890f6f17d3d5', v_count::text, true);
      END IF;
    END IF;
    IF v_cause IS NULL AND TG_OP <> 'INSERT' THEN
      IF coalesce(octet_length(OLD."name"), 0)::bigint + coalesce(octet_length(OLD."note"), 0)::bigint > 4000000 THEN v_cause := 'undecodable'; ELSE
        v_old := ARRAY[CASE WHEN num_nulls(OLD."id") = 0 THEN concat(OLD."id") END]::text[];
        v_before := ARRAY[CASE WHEN num_nulls(OLD."id") = 0 THEN concat(OLD."id") END, CASE WHEN num_nulls(OLD."name") = 0 THEN concat(OLD."name") END, CASE WHEN num_nulls(OLD."price") = 0 THEN concat(OLD."price") END, CASE WHEN num_nulls(OLD."stock") = 0 THEN concat(OLD."stock") END, CASE WHEN num_nulls(OLD."made") = 0 THEN concat(OLD."made") END, CASE WHEN num_nulls(OLD."note") = 0 THEN concat(OLD."note") END]::text[];
        IF NOT v_alone THEN
          SELECT ARRAY[CASE WHEN num_nulls(r."id") = 0 THEN concat(r."id") END, CASE WHEN num_nulls(r."name") = 0 THEN concat(r."name") END, CASE WHEN num_nulls(r."price") = 0 THEN concat(r."price") END, CASE WHEN num_nulls(r."stock") = 0 THEN concat(r."stock") END, CASE WHEN num_nulls(r."made") = 0 THEN concat(r."made") END, CASE WHEN num_nulls(r."note") = 0 THEN concat(r."note") END]::text[] INTO v_there FROM "public"."product" AS r WHERE r."id" OPERATOR("pg_catalog".=) OLD."id";
        END IF;
      END IF;
    END IF;
    IF v_cause IS NULL AND TG_OP <> 'DELETE' THEN
      IF coalesce(octet_length(NEW."name"), 0)::bigint + coalesce(octet_length(NEW."note"), 0)::bigint > 4000000 THEN v_cause := 'undecodable'; ELSE
        v_new := ARRAY[CASE WHEN num_nulls(NEW."id") = 0 THEN concat(NEW."id") END]::text[];
        IF TG_OP = 'UPDATE' AND v_new = v_old THEN
          v_new := NULL;
          IF v_alone THEN v_there := ARRAY[CASE WHEN num_nulls(NEW."id") = 0 THEN concat(NEW."id") END, CASE WHEN num_nulls(NEW."name") = 0 THEN concat(NEW."name") END, CASE WHEN num_nulls(NEW."price") = 0 THEN concat(NEW."price") END, CASE WHEN num_nulls(NEW."stock") = 0 THEN concat(NEW."stock") END, CASE WHEN num_nulls(NEW."made") = 0 THEN concat(NEW."made") END, CASE WHEN num_nulls(NEW."note") = 0 THEN concat(NEW."note") END]::text[]; END IF;
        ELSIF TG_OP = 'INSERT' AND v_alone THEN
          v_after := ARRAY[CASE WHEN num_nulls(NEW."id") = 0 THEN concat(NEW."id") END, CASE WHEN num_nulls(NEW."name") = 0 THEN concat(NEW."name") END, CASE WHEN num_nulls(NEW."price") = 0 THEN concat(NEW."price") END, CASE WHEN num_nulls(NEW."stock") = 0 THEN concat(NEW."stock") END, CASE WHEN num_nulls(NEW."made") = 0 THEN concat(NEW."made") END, CASE WHEN num_nulls(NEW."note") = 0 THEN concat(NEW."note") END]::text[];
        ELSE
          SELECT ARRAY[CASE WHEN num_nulls(r."id") = 0 THEN concat(r."id") END, CASE WHEN num_nulls(r."name") = 0 THEN concat(r."name") END, CASE WHEN num_nulls(r."price") = 0 THEN concat(r."price") END, CASE WHEN num_nulls(r."stock") = 0 THEN concat(r."stock") END, CASE WHEN num_nulls(r."made") = 0 THEN concat(r."made") END, CASE WHEN num_nulls(r."note") = 0 THEN concat(r."note") END]::text[] INTO v_after FROM "public"."product" AS r WHERE r."id" OPERATOR("pg_catalog".=) NEW."id";
          IF TG_OP = 'UPDATE' AND v_alone THEN
            SELECT ARRAY[CASE WHEN num_nulls(r."id") = 0 THEN concat(r."id") END, CASE WHEN num_nulls(r."name") = 0 THEN concat(r."name") END, CASE WHEN num_nulls(r."price") = 0 THEN concat(r."price") END, CASE WHEN num_nulls(r."stock") = 0 THEN concat(r."stock") END, CASE WHEN num_nulls(r."made") = 0 THEN concat(r."made") END, CASE WHEN num_nulls(r."note") = 0 THEN concat(r."note") END]::text[] INTO v_there FROM "public"."product" AS r WHERE r."id" OPERATOR("pg_catalog".=) OLD."id";
          END IF;
        END IF;
      END IF;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    v_cause := 'capture-failed';
  END;
  IF v_cause IS NOT NULL THEN
    IF v_cause = 'truncated'
        OR NOT EXISTS (SELECT FROM "public"."live_waiting" AS w WHERE w.xid = pg_current_xact_id() AND w.method = 'RESET' AND w.source = 'product' AND w.key = ARRAY[v_cause]) THEN
      INSERT INTO "public"."live_waiting" (source, method, key, xid)
      VALUES ('product', 'RESET', ARRAY[v_cause], pg_current_xact_id());
    END IF;
    RETURN NULL;
  END IF;
  IF v_old IS NOT NULL AND (CASE WHEN v_there IS NOT NULL THEN v_there IS DISTINCT FROM v_before
      ELSE TG_OP = 'DELETE' OR v_new IS NOT NULL END) THEN
    INSERT INTO "public"."live_waiting" (source, method, key, before, after, layout) VALUES ('product', CASE WHEN v_there IS NULL THEN 'DELETE' ELSE 'PUT' END, v_old, v_before, v_there, '99d20e7f4739');
  END IF;
  IF v_after IS NOT NULL THEN
    INSERT INTO "public"."live_waiting" (source, method, key, before, after, layout) VALUES ('product', 'POST', v_new, NULL, v_after, '99d20e7f4739');
  END IF;
  RETURN NULL;
END
$$;
CREATE FUNCTION public.live_commit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
  IF to_regclass('"public"."live_changes"') IS NULL THEN RETURN NULL; END IF;
  -- The setting only says that it is worth a look: anybody may set it.
  IF current_setting('live.flooded', true) = 'on' AND NEW.method <> 'RESET'
      AND EXISTS (SELECT FROM "public"."live_waiting" AS w WHERE w.xid = pg_current_xact_id() AND w.method = 'RESET' AND w.source = NEW.source AND w.key = ARRAY['backlog']) THEN
    RETURN NULL;
  END IF;
  INSERT INTO "public"."live_changes" (seq, check_digits, source, method, key, before, after, origin, at, layout, xid)
  VALUES (nextval('"public"."live_seq"'), left(gen_random_uuid()::text, 4), NEW.source, NEW.method, NEW.key,
    NEW.before, NEW.after, NULL, extract(epoch FROM clock_timestamp()), NEW.layout, pg_current_xact_id());
  RETURN NULL;
END
$$;
CREATE TABLE public.live_changes (
    seq bigint NOT NULL,
    check_digits text,
    source text,
    method text,
    key text[],
    before text[],
    after text[],
    origin text,
    at double precision,
    layout text,
    xid xid8
);
CREATE TABLE public.live_cursors (
    name text NOT NULL,
    seq text,
    owner text,
    until double precision
);
CREATE TABLE public.live_idempotency (
    key text NOT NULL COLLATE pg_catalog."C",
    digest text,
    source text,
    image text[],
    layout text,
    seq text,
    at double precision
);
CREATE TABLE public.live_letters (
    webhook text NOT NULL,
    seq text NOT NULL COLLATE pg_catalog."C",
    body bytea,
    state text,
    attempts integer,
    reason text,
    since double precision,
    due double precision
);
CREATE TABLE public.live_meta (
    name text NOT NULL,
    value text
);
CREATE TABLE public.live_passed (
    first bigint NOT NULL,
    last bigint NOT NULL,
    bound xid8
);
CREATE SEQUENCE public.live_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE UNLOGGED TABLE public.live_waiting (
    source text,
    method text,
    key text[],
    before text[],
    after text[],
    layout text,
    xid xid8
);
CREATE TABLE public.product (
    id integer NOT NULL,
    name character varying NOT NULL,
    price double precision NOT NULL,
    stock bigint NOT NULL,
    made timestamp with time zone,
    note character varying
);
CREATE SEQUENCE public.product_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.product_id_seq OWNED BY public.product.id;
ALTER TABLE ONLY public.product ALTER COLUMN id SET DEFAULT nextval('public.product_id_seq'::regclass);
INSERT INTO public.live_changes VALUES (1, 'cc01', 'product', 'POST', '{1}', NULL, '{1,milk,0.1,3,NULL,NULL}', NULL, 1795692148.851765, '99d20e7f4739', '730');
INSERT INTO public.live_changes VALUES (2, '05d1', 'product', 'POST', '{2}', NULL, '{2,"bread; %3b",1e-07,0,"2026-01-02 03:04:05+00",NULL}', NULL, 1795692148.864742, '99d20e7f4739', '732');
INSERT INTO public.live_changes VALUES (3, '9461', 'product', 'PUT', '{2}', '{2,"bread; %3b",1e-07,0,"2026-01-02 03:04:05+00",NULL}', '{2,"bread; %3b",1e-07,1152921504606846976,"2026-01-02 03:04:05+00","ünï
code"}', NULL, 1795692148.889479, '99d20e7f4739', '735');
INSERT INTO public.live_changes VALUES (4, '1a5f', 'product', 'POST', '{3}', NULL, '{3,"",3.0000000000000004,0,NULL,NULL}', NULL, 1795692148.897263, '99d20e7f4739', '738');
INSERT INTO public.live_changes VALUES (5, '20e0', 'product', 'DELETE', '{1}', '{1,milk,0.1,3,NULL,NULL}', NULL, NULL, 1795692148.919217, '99d20e7f4739', '743');
INSERT INTO public.live_changes VALUES (6, 'c60b', 'product', 'PUT', '{3}', '{3,"",3.0000000000000004,0,NULL,NULL}', '{3,"",-0.5,0,NULL,NULL}', NULL, 1795692148.945199, '99d20e7f4739', '744');
INSERT INTO public.live_changes VALUES (7, '3de1', 'product', 'POST', '{4}', NULL, '{4,"by hand",2.5,1,NULL,"a; b % c"}', NULL, 1795692149.034416, '99d20e7f4739', '747');
INSERT INTO public.live_cursors VALUES ('stock', '64386ac900000000000000041a5f', 'ea7fa94785e982fc', 1795692148.958375);
INSERT INTO public.live_meta VALUES ('epoch', '64386ac9');
INSERT INTO public.live_meta VALUES ('trimmed_to', '00000000000000000000');
INSERT INTO public.live_meta VALUES ('format', '{"format": 1, "since": "0.1.0"}');
INSERT INTO public.live_meta VALUES ('drawing', 'a3ad9a2da24c');
INSERT INTO public.live_meta VALUES ('layout:99d20e7f4739', '["id", "name", "price", "stock", "made", "note"]');
INSERT INTO public.live_meta VALUES ('source:product', '{"columns": ["id", "name", "price", "stock", "made", "note"], "version": "0.1.0", "fingerprint": "708ede72a5e8", "definition": "90c5dc653f57"}');
INSERT INTO public.live_waiting VALUES ('product', 'POST', '{1}', NULL, '{1,milk,0.1,3,NULL,NULL}', '99d20e7f4739', NULL);
INSERT INTO public.live_waiting VALUES ('product', 'POST', '{2}', NULL, '{2,"bread; %3b",1e-07,0,"2026-01-02 03:04:05+00",NULL}', '99d20e7f4739', NULL);
INSERT INTO public.live_waiting VALUES ('product', 'PUT', '{2}', '{2,"bread; %3b",1e-07,0,"2026-01-02 03:04:05+00",NULL}', '{2,"bread; %3b",1e-07,1152921504606846976,"2026-01-02 03:04:05+00","ünï
code"}', '99d20e7f4739', NULL);
INSERT INTO public.live_waiting VALUES ('product', 'POST', '{3}', NULL, '{3,"",3.0000000000000004,0,NULL,NULL}', '99d20e7f4739', NULL);
INSERT INTO public.live_waiting VALUES ('product', 'DELETE', '{1}', '{1,milk,0.1,3,NULL,NULL}', NULL, '99d20e7f4739', NULL);
INSERT INTO public.live_waiting VALUES ('product', 'PUT', '{3}', '{3,"",3.0000000000000004,0,NULL,NULL}', '{3,"",-0.5,0,NULL,NULL}', '99d20e7f4739', NULL);
INSERT INTO public.live_waiting VALUES ('product', 'POST', '{4}', NULL, '{4,"by hand",2.5,1,NULL,"a; b % c"}', '99d20e7f4739', NULL);
INSERT INTO public.product VALUES (2, 'bread; %3b', 1e-07, 1152921504606846976, '2026-01-02 03:04:05+00', 'ünï
code');
INSERT INTO public.product VALUES (3, '', -0.5, 0, NULL, NULL);
INSERT INTO public.product VALUES (4, 'by hand', 2.5, 1, NULL, 'a; b % c');
SELECT pg_catalog.setval('public.live_seq', 7, true);
SELECT pg_catalog.setval('public.product_id_seq', 4, true);
ALTER TABLE ONLY public.live_changes
    ADD CONSTRAINT live_changes_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.live_cursors
    ADD CONSTRAINT live_cursors_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.live_idempotency
    ADD CONSTRAINT live_idempotency_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.live_letters
    ADD CONSTRAINT live_letters_pkey PRIMARY KEY (webhook, seq);
ALTER TABLE ONLY public.live_meta
    ADD CONSTRAINT live_meta_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.live_passed
    ADD CONSTRAINT live_passed_pkey PRIMARY KEY (first, last);
ALTER TABLE ONLY public.product
    ADD CONSTRAINT product_pkey PRIMARY KEY (id);
CREATE INDEX live_changes_resets ON public.live_changes USING btree (source, seq) WHERE (method = 'RESET'::text);
CREATE INDEX live_changes_source ON public.live_changes USING btree (source, seq);
CREATE INDEX live_idempotency_at ON public.live_idempotency USING btree (at);
CREATE INDEX live_waiting_resets ON public.live_waiting USING btree (xid) WHERE (method = 'RESET'::text);
CREATE TRIGGER "!live_capture" AFTER INSERT OR DELETE OR UPDATE ON public.product FOR EACH ROW EXECUTE FUNCTION public.live_capture_a8792157cb4f();
ALTER TABLE public.product ENABLE ALWAYS TRIGGER "!live_capture";
CREATE TRIGGER "!live_truncate" AFTER TRUNCATE ON public.product FOR EACH STATEMENT EXECUTE FUNCTION public.live_capture_a8792157cb4f();
ALTER TABLE public.product ENABLE ALWAYS TRIGGER "!live_truncate";
CREATE CONSTRAINT TRIGGER live_commit AFTER INSERT ON public.live_waiting DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.live_commit();
ALTER TABLE public.live_waiting ENABLE ALWAYS TRIGGER live_commit;
