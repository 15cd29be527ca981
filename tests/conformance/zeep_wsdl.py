"""Loads the WSDL that the simulator serves with zeep, logs in through it, and reads what it describes."""

import requests
import zeep

from simulator import simulator


def main():
    with simulator("-tls=false") as (host, port):
        session = requests.Session()
        client = zeep.Client(
            f"http://{host}:{port}/sdk/vimService.wsdl", transport=zeep.Transport(session=session)
        )
        service = client.service
        factory = client.type_factory("urn:vim25")

        def reference(kind, value):
            return factory.ManagedObjectReference(value, type=kind)

        content = service.RetrieveServiceContent(_this=reference("ServiceInstance", "ServiceInstance"))
        assert content.about.apiType == "VirtualCenter", content.about
        login = service.Login(_this=content.sessionManager, userName="user", password="pass")
        assert login.userName == "user"

        spec = factory.PropertyFilterSpec(
            propSet=[factory.PropertySpec(type="Folder", pathSet=["name", "childEntity"])],
            objectSet=[factory.ObjectSpec(obj=content.rootFolder)],
        )
        result = service.RetrievePropertiesEx(
            _this=content.propertyCollector, specSet=[spec], options=factory.RetrieveOptions()
        )
        values = {prop.name: prop.val for prop in result.objects[0].propSet}
        assert values["name"] == "Datacenters", values
        try:
            service.CreateFolder(_this=content.rootFolder, name="")
        except zeep.exceptions.Fault as fault:
            assert fault.message, fault
        else:
            raise AssertionError("an empty name was taken")
        print(f"{len(service._operations)} operations: zeep reads what we serve")


if __name__ == "__main__":
    main()
