-- RFC 7396, appendix A: every row of its table.
\set QUIET on
\pset tuples_only on
\pset format unaligned
select case when cohort.merge_patch(t::jsonb, p::jsonb) = r::jsonb then 'ok     ' else 'not ok ' end
       || format('merge_patch(%s, %s) = %s', t, p, cohort.merge_patch(t::jsonb, p::jsonb))
  from (values ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
               ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
               ('{"a":"b"}', '{"a":null}', '{}'),
               ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
               ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
               ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
               ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
               ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
               ('["a","b"]', '["c","d"]', '["c","d"]'),
               ('{"a":"b"}', '["c"]', '["c"]'),
               ('{"a":"foo"}', 'null', 'null'),
               ('{"a":"foo"}', '"bar"', '"bar"'),
               ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
               ('[1,2]', '{"a":"b","c":null}', '{"a":"b"}'),
               ('{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}')) x(t, p, r);
select case when cohort.etag('{"a": 1, "b": [1, 2]}') = cohort.etag('{"b":[1,2],"a":1}') and cohort.etag('{"a": 1}') <> cohort.etag('{"a": 2}')
            then 'ok     ' else 'not ok ' end || 'an etag is of what a document says';
