"""What one writes without this project: every checkpoint over all images, a logistic regression for each."""

import sys
from pathlib import Path

import torch
import torchvision
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torchvision.datasets import ImageFolder

checkpoints, images = sorted(Path(sys.argv[1]).glob("*.pth")), sys.argv[2]
transform = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
data = ImageFolder(images, transform)
loader = torch.utils.data.DataLoader(data, batch_size=32)


def features_of(path: Path) -> torch.Tensor:
    """Features (N, 512) of all images by one checkpoint."""
    model = torchvision.models.resnet18(num_classes=len(data.classes))
    model.load_state_dict(torch.load(path, weights_only=True))
    model.fc = torch.nn.Identity()
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(batch) for batch, _ in loader])


scores = {}
for path in checkpoints:
    parts = train_test_split(features_of(path), data.targets, test_size=0.2, stratify=data.targets, random_state=0)
    train_x, test_x, train_y, test_y = parts
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scores[path.stem] = classifier.fit(train_x, train_y).score(test_x, test_y)

for name in sorted(scores, key=lambda name: -scores[name]):
    sys.stdout.write(f"{name} {scores[name]:.4f}\n")
