# The sf command line against a simulated org; see run.
set -eu
dir=$1
work=$dir/sf-work
rm -rf "$work"
mkdir -p "$work"
cd "$work"
value() { "$NODE" -p "JSON.parse(process.env.ORG).$1"; }
SF_ACCESS_TOKEN=$(value org_token)
export SF_ACCESS_TOKEN HOME="$work" NODE_NO_WARNINGS=1 SF_DISABLE_TELEMETRY=true SF_AUTOUPDATE_DISABLE=true SF_SKIP_NEW_VERSION_CHECK=true \
  SF_USE_GENERIC_UNIX_KEYCHAIN=true SF_DISABLE_DNS_CHECK=true SF_ORG_METADATA_REST_DEPLOY=true
failed=0

# check NAME TEXT COMMAND…: the output of sf holds the text, and so does its exit status when it is !TEXT.
check() {
  name=$1 text=$2
  shift 2
  if "$NODE" "$dir/node_modules/@salesforce/cli/bin/run.js" "$@" >out 2>&1; then status=0; else status=1; fi
  want=0
  case $text in !*) want=1 text=${text#!} ;; esac
  if [ $status = $want ] && grep -q -e "$text" out; then echo "ok   $name"; else echo "FAIL $name"; sed 's/^/     /' out | head -20; failed=1; fi
}

check 'org login access-token' 'Successfully authorized' org login access-token --instance-url "$(value org)" --no-prompt --alias sim --set-default
check 'data query' 'Harbor & Pine' data query -q 'SELECT Id, Name FROM Account LIMIT 2'
check 'data query that is wrong' "!No such column 'Nope'" data query -q 'SELECT Nope FROM Account'
check 'data create record' 'Successfully created record' data create record -s Account -v "Name=Findable ExternalId__c=SF-1"
check 'data get record' 'Findable' data get record -s Account -w 'ExternalId__c=SF-1'
check 'data update record' 'Successfully updated record' data update record -s Account -w 'ExternalId__c=SF-1' -v 'Site=Berlin'
check 'data search' 'Findable' data search -q 'FIND {Findable} IN NAME FIELDS RETURNING Account(Id, Name)'
check 'data delete record' 'Successfully deleted record' data delete record -s Account -w 'ExternalId__c=SF-1'
check 'limits api display' 'DailyApiRequests' limits api display
check 'sobject describe' '"name": "Case"' sobject describe -s Case --json

cat >tree.json <<'J'
{"records":[{"attributes":{"type":"Account","referenceId":"a"},"Name":"Tree","Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"c"},"LastName":"Leaf"}]}}]}
J
check 'data import tree' 'Leaf\|Contact' data import tree --files tree.json
check 'data export tree' 'Wrote\|records' data export tree -q "SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE Name = 'Tree'"

{ echo LastName,Company; seq -f 'L%g,SfBulk' 3000; } >leads.csv
check 'data import bulk' 'Processed records: 3000' data import bulk --file leads.csv --sobject Lead --wait 5
{ echo LastName,Company; echo ,SfBulk; } >bad.csv
check 'data import bulk, a bad row' '!Failed' data import bulk --file bad.csv --sobject Lead --wait 5
check 'data export bulk' '3000 records' data export bulk -q "SELECT Id FROM Lead WHERE Company = 'SfBulk'" --output-file ids.csv --wait 5
{ echo ExternalId__c,Name; seq -f 'SFB-%g,Upserted' 50; } >up.csv
check 'data upsert bulk' 'Processed records: 50' data upsert bulk --file up.csv --sobject Account --external-id ExternalId__c --wait 5
check 'data delete bulk' '3000' data delete bulk --file ids.csv --sobject Lead --wait 5

check 'data query of Tooling' 'ReturnHandler' data query --use-tooling-api -q 'SELECT Name FROM ApexClass'
echo "System.debug('hello');" >a.apex
check 'apex run' 'hello' apex run --file a.apex
check 'apex run test, at once' 'WarrantyClaimsTest' apex run test --synchronous --class-names WarrantyClaimsTest --code-coverage
check 'apex run test, later' '!feeIsTwelvePercent *Fail' apex run test --class-names ReturnHandlerTest --wait 2 --result-format human

mkdir -p force-app/main/default/classes
echo '{"packageDirectories":[{"path":"force-app","default":true}],"sourceApiVersion":"62.0"}' >sfdx-project.json
printf 'public class Deployed { public static Integer one() { return 1; } }\n' >force-app/main/default/classes/Deployed.cls
printf '<?xml version="1.0" encoding="UTF-8"?>\n<ApexClass xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>62.0</apiVersion><status>Active</status></ApexClass>\n' >force-app/main/default/classes/Deployed.cls-meta.xml
check 'project deploy validate' 'Successfully validated' project deploy validate --source-dir force-app --test-level RunSpecifiedTests --tests WarrantyClaimsTest
check 'project deploy start' 'Deployed' project deploy start --source-dir force-app
printf 'public class Deployed { Integer }\n' >force-app/main/default/classes/Deployed.cls
check 'project deploy start, broken' '!Deployed.*1:' project deploy start --source-dir force-app
exit $failed
