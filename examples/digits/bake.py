"""The one step of an image's build that is not copying: `python3 digits/bake.py` trains the version that MODEL_VERSION
names and puts it where the server of the same image will look."""

from digits.model import save
from digits.settings import read_settings
from digits.train import train

if __name__ == "__main__":
    settings = read_settings()
    model = train(settings.version)
    save(model, settings.model)
    print(f"{settings.version}: {model.card.accuracy:.1%} right on images it has not seen")
