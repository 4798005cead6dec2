"""Does every test in tasks/stats keep what it promises: how often is it wrong, and how soon does it see what is there?"""
