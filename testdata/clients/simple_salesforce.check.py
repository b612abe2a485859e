"""simple-salesforce against a simulated org; see run."""
import csv
import glob
import io
import json
import os
import sys
import tempfile
from datetime import datetime, timedelta, timezone

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, format_soql
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound
from simple_salesforce.login import SalesforceLogin

org = json.loads(os.environ["ORG"])
host = org["org"].split("//")[1]


class Plain(HTTPAdapter):
    """Sends to the simulated org what simple-salesforce, which speaks https only, sends to Salesforce."""

    def send(self, request, **kwargs):
        request.url = request.url.replace("https://sim.salesforce.com", "http://" + host).replace("https://", "http://", 1)
        return super().send(request, **kwargs)


session = requests.Session()
session.mount("https://", Plain())
failed = 0


def check(name, good, detail=""):
    global failed
    print("ok  " if good else "FAIL", name, *([] if good else [detail]))
    failed += not good


def refused(kind, call):
    try:
        return "not refused: %s" % call()
    except kind as e:
        return str(e)


token, _ = SalesforceLogin(consumer_key=org["client_id"], consumer_secret=org["client_secret"], domain="sim", session=session)
sf = Salesforce(instance=host, session_id=token, session=session, version="62.0")
check("client credentials, query", sf.query("SELECT Id, Name FROM Account LIMIT 3")["totalSize"] == 3)
check("query_all", len(sf.query_all("SELECT Id FROM Lead")["records"]) > 10)
check("query_all_iter", sum(1 for _ in sf.query_all_iter("SELECT Id, Email FROM Contact")) > 10)
check("format_soql", sf.query(format_soql("SELECT Id FROM Account WHERE Name = {}", "O'Neil"))["totalSize"] == 0)
check("query that is wrong", "INVALID_FIELD" in refused(SalesforceMalformedRequest, lambda: sf.query("SELECT Nope FROM Account")))
check("limits", "DailyApiRequests" in sf.limits())
check("describe", len(sf.describe()["sobjects"]) > 20 and sf.Case.describe()["name"] == "Case")

account = sf.Account.create({"Name": "Findable", "ExternalId__c": "PY-1"})["id"]
check("create, get", sf.Account.get(account)["Name"] == "Findable" and sf.Account.get_by_custom_id("ExternalId__c", "PY-1")["Id"] == account)
check("update, upsert", sf.Account.update(account, {"Phone": "1"}) == 204 and sf.Account.upsert("ExternalId__c/PY-1", {"Site": "B"}) == 200)
check("search", len(sf.search("FIND {Findable} IN NAME FIELDS RETURNING Account(Id)")["searchRecords"]) > 0 and "searchRecords" in sf.quick_search("Findable"))
soon = datetime.now(timezone.utc) + timedelta(minutes=1)
check("updated", account in sf.Account.updated(soon - timedelta(hours=2), soon)["ids"])
check("delete, deleted", sf.Account.delete(account) == 204 and any(r["id"] == account for r in sf.Account.deleted(soon - timedelta(hours=2), soon)["deletedRecords"]))
check("not found", "NOT_FOUND" in refused(SalesforceResourceNotFound, lambda: sf.Account.get("001000000000001AAA")))
check("tooling", sf.toolingexecute("query?q=SELECT+Id,Name+FROM+ApexClass+LIMIT+1")["size"] == 1)
tree = {"records": [{"attributes": {"type": "Account", "referenceId": "a"}, "Name": "T", "Contacts": {"records": [{"attributes": {"type": "Contact", "referenceId": "c"}, "LastName": "L"}]}}]}
check("tree", len(sf.restful("composite/tree/Account", method="POST", json=tree)["results"]) == 2)

rows = [{"LastName": f"Py {i}", "Company": "PyBulk"} for i in range(500)] + [{"LastName": "", "Company": "PyBulk"}]
job = sf.bulk2.Lead.insert(records=rows)[0]
check("bulk2 insert", job["numberRecordsProcessed"] == 501 and job["numberRecordsFailed"] == 1, job)
check("bulk2 failed", "REQUIRED_FIELD_MISSING" in sf.bulk2.Lead.get_failed_records(job["job_id"]))
good = list(csv.DictReader(io.StringIO(sf.bulk2.Lead.get_successful_records(job["job_id"]))))
check("bulk2 successful, unprocessed", len(good) == 500 and sf.bulk2.Lead.get_unprocessed_records(job["job_id"]).count("\n") == 1, sf.bulk2.Lead.get_unprocessed_records(job["job_id"]))
check("bulk2 update", sf.bulk2.Lead.update(records=[{"Id": r["sf__Id"], "Title": "Dr."} for r in good])[0]["numberRecordsFailed"] == 0)
check("bulk2 upsert", sf.bulk2.Account.upsert(records=[{"ExternalId__c": f"PB-{i}", "Name": "n"} for i in range(10)], external_id_field="ExternalId__c")[0]["numberRecordsProcessed"] == 10)
check("bulk2 query", "".join(sf.bulk2.Lead.query("SELECT Id, LastName FROM Lead WHERE Company = 'PyBulk'")).count("\n") == 501)
with tempfile.TemporaryDirectory() as pages:
    sf.bulk2.Lead.download("SELECT Id FROM Lead WHERE Company = 'PyBulk'", path=pages, max_records=200)
    check("bulk2 download in pages", sum(len(open(f).read().split()) - 1 for f in glob.glob(pages + "/*")) == 500)
check("bulk2 delete", sf.bulk2.Lead.delete(records=[{"Id": r["sf__Id"]} for r in good])[0]["numberRecordsFailed"] == 0)
sys.exit(failed > 0)
